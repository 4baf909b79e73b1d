"""Reads a synthetic feed with Python's own XML and CSV readers and compares it with its facts.

Usage: read.py KIND BODY FACTS. Exits non-zero at the first difference.
"""

import csv
import io
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from decimal import Decimal

CREDIT_CODE = "0123456789ABCDEFGHJKLMNPQRTUWXY"
UUID_V4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")


def same(what, read, told):
    if read != told:
        sys.exit(f"{what}: read {read!r}, told {told!r}")


def check_taxpayer(number):
    same("length of " + number, len(number), 18)
    if number[:2] == "91":
        total = sum(CREDIT_CODE.index(c) * pow(3, i, 31) for i, c in enumerate(number))
        # The check character has weight one: the whole is divisible by 31.
        total += CREDIT_CODE.index(number[17]) * (1 - pow(3, 17, 31))
        same("GB 32100 of " + number, total % 31, 0)
        weights = [3, 7, 9, 10, 5, 8, 4, 2]
        organization = sum(int(c, 36) * w for c, w in zip(number[8:16], weights))
        same("GB 11714 of " + number, number[16], "0123456789X"[-organization % 11])
    else:
        weights = [pow(2, 17 - i, 11) for i in range(18)]
        total = sum((10 if c == "X" else int(c)) * w for c, w in zip(number, weights))
        same("GB 11643 of " + number, total % 11, 1)


def check_iban(iban):
    turned = iban[4:] + iban[:4]
    same("ISO 13616 of " + iban, int("".join(str(int(c, 36)) for c in turned)) % 97, 1)


def check_card(number):
    same("length of " + number, len(number), 19)
    doubled = [int(c) * (1 + i % 2) for i, c in enumerate(reversed(number))]
    same("ISO 7812 of " + number, sum(n // 10 + n % 10 for n in doubled) % 10, 0)


def camt054(body, facts):
    names = {"": "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"}
    root = ElementTree.fromstring(body)
    notification = root.find("BkToCstmrDbtCdtNtfctn/Ntfctn", names)
    check_card(notification.findtext("Acct/Id/Othr/Id", None, names))
    facts = iter(facts)
    references = set()
    for entry in notification.iterfind("Ntry", names):
        parts = entry.findall("NtryDtls/TxDtls", names)
        total = entry.findtext("Amt", None, names)
        same("sum", sum(Decimal(part.findtext("Amt", None, names)) for part in parts), Decimal(total))
        same("count", entry.findtext("NtryDtls/Btch/NbOfTxs", None, names), str(len(parts)) if len(parts) > 1 else None)
        for number, part in enumerate(parts, 1):
            told = next(facts)
            text = lambda path: part.findtext(path, None, names)
            same("entry", (told["entry"]["transaction_number"], told["entry"]["amount"]), (number, total))
            same("amount", text("Amt"), told["amount"])
            same("booked", entry.findtext("BookgDt/Dt", None, names), told["booking_date"])
            same("end to end", text("Refs/EndToEndId"), told["end_to_end_id"])
            same("name", text("RltdPties/Dbtr/Pty/Nm"), told["debtor"]["name"])
            account = {"iban": text("RltdPties/DbtrAcct/Id/IBAN"), "number": text("RltdPties/DbtrAcct/Id/Othr/Id")}
            same("account", {k: v for k, v in account.items() if v}, told["debtor"]["account"])
            check_iban(account["iban"]) if account["iban"] else check_card(account["number"])
            same("voucher", text("RmtInf/Strd/CdtrRefInf/Ref"), told["creditor_references"][0]["reference"])
            same("remittance", text("RmtInf/Ustrd"), told["remittance_information"][0])
            check_taxpayer(text("RmtInf/Strd/TaxRmt/Dbtr/TaxId"))
            same("UETR form", bool(UUID_V4.match(told["uetr"])), True)
            references.add(text("Refs/AcctSvcrRef"))
            references.add(told["uetr"])
    same("records left", list(facts), [])
    return len(references) // 2


def platform_income(body, facts):
    rows = list(csv.reader(io.StringIO(body.decode("gb18030"), newline="")))
    header, headings, rows = dict(rows[:4]), rows[4], rows[5:]
    check_taxpayer(header["统一社会信用代码（纳税人识别号）"])
    sellers = set()
    for number, (row, told) in enumerate(zip(rows, facts, strict=True), 6):
        cell = dict(zip(headings, row, strict=True))
        sellers.add(cell["店铺（用户）唯一标识码"])
        if "found" in told:
            same("wrong cell", (number, cell[told["column"]]), (told["row"], told["found"]))
            continue
        same("operator", header["互联网平台企业名称"], told["operator"]["name"])
        same("platform", cell["收入来源的互联网平台名称"], told["platform"])
        same("gross", cell["收入总额"], told["gross_income"])
        same("sum", Decimal(cell["劳务报酬"]) + Decimal(cell["从事其他网络交易活动取得的收入（净额）"]), Decimal(told["gross_income"]))
        same("fees", cell["支付给平台的佣金、服务费合计"], told["fees"])
        same("orders", int(cell["交易（订单）笔数"]), told["transactions"])
        same("period", (cell["收入所属期间"], told["period"]), ("2026Q3", "2026-07-01/2026-09-30"))
    return len(sellers)


def ceb603(body, facts):
    # The parser takes no GB2312 of more than one byte: it is transcoded as the standard's superset.
    declared = re.match(rb'<\?xml version="1.0" encoding="([^"]+)"', body).group(1).decode()
    text = body.decode({"UTF-8": "utf-8", "GB2312": "gb18030"}[declared])
    root = ElementTree.fromstring(text.split("?>", 1)[1])
    ceb = {"": "http://www.chinaport.gov.cn/ceb"}
    numbers = set()
    for inventory, told in zip(root.iterfind("Inventory", ceb), facts, strict=True):
        head = {e.tag.split("}")[1]: e.text for e in inventory.find("InventoryHead", ceb)}
        same("guid", root.get("guid"), told["message_id"])
        same("number", head["invtNo"], told["declaration_number"])
        same("merchant", (head["ebcCode"], head["ebcName"]), (told["merchant"]["code"], told["merchant"]["name"]))
        check_taxpayer(head["ebcCode"])
        same("note", head["note"], told["note"])
        same("weight", (head["grossWeight"], head["netWeight"]), (told["gross_weight"], told["net_weight"]))
        same("lighter", Decimal(head["netWeight"]) < Decimal(head["grossWeight"]), True)
        for item, item_told in zip(inventory.iterfind("InventoryList", ceb), told["items"], strict=True):
            read = {e.tag.split("}")[1]: e.text for e in item}
            same("goods", (read["gcode"], read["gname"]), (item_told["hs_code"], item_told["name"]))
            same("price", Decimal(read["price"]) * Decimal(read["qty"]), Decimal(item_told["total_price"]))
            same("total", read["totalPrice"], item_told["total_price"])
            customs = {"CNY": "142", "USD": "502", "EUR": "300", "GBP": "303"}
            same("currency", read["currency"], customs[item_told["currency"]])
        numbers.add(head["invtNo"])
    return len(numbers)


kind, body, facts = sys.argv[1:]
with open(body, "rb") as file:
    body = file.read()
with open(facts, encoding="utf-8") as file:
    facts = json.load(file)
different = {"camt054": camt054, "platform-income": platform_income, "ceb603": ceb603}[kind](body, facts)
same("numbers that tell records apart", different, len(facts))
