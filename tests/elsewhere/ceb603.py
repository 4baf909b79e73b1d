"""CEB603 of the cross-border e-commerce export system, read with lxml."""

from lxml import etree

from reading import flat, in_shanghai, main

CEB = "{http://www.chinaport.gov.cn/ceb}"
COUNTRY = {"110": "HK", "116": "JP", "133": "KR", "142": "CN", "303": "GB", "304": "DE", "305": "FR", "502": "US"}
CURRENCY = {"110": "HKD", "116": "JPY", "118": "KWD", "142": "CNY", "300": "EUR", "502": "USD"}
TYPE = {"1": "new", "2": "change", "3": "deletion"}
STATUS = {"1": "draft", "2": "declared"}
MODE = {"1": "cn-supervised-warehouse", "2": "cn-water", "3": "2", "4": "3", "5": "4", "6": "5", "9": "cn-other", "G": "7"}
UNIT = {"007": "007", "011": "011", "025": "025", "030": "MTR", "035": "KGM", "036": "GRM", "070": "TNE", "095": "LTR"}
METHOD = {"1": "rate", "2": "unit-price", "3": "total"}


def leaves(element):
    read = {}
    for child in element:
        name = child.tag.removeprefix(CEB)
        assert name not in read and not len(child), name
        read[name] = child.text
    return read


def code(table, text):
    return None if text is None else table[text]


def declaration(message, inventory):
    head = leaves(inventory.find(CEB + "InventoryHead"))
    take = lambda name: head.pop(name, None)
    pair = lambda stem: {"code": take(stem + "Code"), "name": take(stem + "Name")}
    applied, exported = take("appTime"), take("ieDate")
    record = {
        "message_id": message.get("guid"),
        "declaration_id": take("guid"),
        "application_type": TYPE[take("appType")],
        "applied_at": in_shanghai(applied),
        "application_status": STATUS[take("appStatus")],
        "customs_office": take("customsCode"),
        "platform": pair("ebp"),
        "order_number": take("orderNo"),
        "carrier": pair("logistics"),
        "waybill_number": take("logisticsNo"),
        "internal_number": take("copNo"),
        "pre_entry_number": take("preNo"),
        "declaration_number": take("invtNo"),
        "direction": {"E": "export", "I": "import"}[take("ieFlag")],
        "exit_port": take("portCode"),
        "export_date": exported and f"{exported[:4]}-{exported[4:6]}-{exported[6:]}",
        "statistics_flag": take("statisticsFlag"),
        "declarant": pair("agent"),
        "merchant": pair("ebc"),
        "owner": pair("owner"),
        "bonded_operator": pair("iac"),
        "account_book_number": take("emsNo"),
        "trade_mode": take("tradeMode"),
        "transport_mode": code(MODE, take("trafMode")),
        "transport_name": take("trafName"),
        "voyage_number": take("voyageNo"),
        "bill_number": take("billNo"),
        "total_package_number": take("totalPackageNo"),
        "yard_code": take("loctNo"),
        "licence_number": take("licenseNo"),
        "destination_country": code(COUNTRY, take("country")),
        "destination_port": take("POD"),
        "freight": {"value": take("freight"), "currency": code(CURRENCY, take("fCurrency")), "method": code(METHOD, take("fFlag"))},
        "insurance": {"value": take("insuredFee"), "currency": code(CURRENCY, take("iCurrency")), "method": code(METHOD, take("iFlag"))},
        "packaging_type": take("wrapType"),
        "packages": take("packNo"),
        "gross_weight": take("grossWeight"),
        "net_weight": take("netWeight"),
        "note": take("note"),
        "items": [item(leaves(element)) for element in inventory.iterfind(CEB + "InventoryList")],
    }
    assert not head, head
    return record


def item(line):
    take = lambda name: line.pop(name, None)
    record = {
        "number": take("gnum"),
        "merchant_item_number": take("itemNo"),
        "account_book_item_number": take("itemRecordNo"),
        "merchant_item_name": take("itemName"),
        "hs_code": take("gcode"),
        "name": take("gname"),
        "specification": take("gmodel"),
        "bar_code": take("barCode"),
        "destination_country": code(COUNTRY, take("country")),
        "currency": code(CURRENCY, take("currency")),
        "quantity": take("qty"),
        "statutory_quantity": take("qty1"),
        "second_quantity": take("qty2"),
        "unit": code(UNIT, take("unit")),
        "statutory_unit": code(UNIT, take("unit1")),
        "second_unit": code(UNIT, take("unit2")),
        "price": take("price"),
        "total_price": take("totalPrice"),
        "note": take("note"),
    }
    assert not line, line
    return record


def read(body):
    message = etree.fromstring(body)
    assert message.tag == CEB + "CEB603Message" and message.get("version") == "1.0", message.tag
    for inventory in message:
        assert inventory.tag == CEB + "Inventory", inventory.tag
        yield flat(declaration(message, inventory))


if __name__ == "__main__":
    main(read)
