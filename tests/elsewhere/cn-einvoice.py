"""China's fully digital invoice, read with lxml."""

from decimal import Decimal

from reading import main
from trees import body


def party(tree, path, who):
    at = lambda name: tree.text(f"EInvoiceData/{path}/{who}{name}")
    return {
        "tax_number": at("IdNum"),
        "name": at("Name"),
        "address": {"line1": at("Addr")},
        "telephone": at("TelNum"),
        "bank_name": at("BankName"),
        "bank_account": at("BankAccNum"),
    }


def line(tree):
    names = {
        "name": "ItemName",
        "specification": "SpecMod",
        "unit": "MeaUnits",
        "quantity": "Quantity",
        "price": "UnPrice",
        "net_amount": "Amount",
        "rate": "TaxRate",
        "tax_amount": "ComTaxAm",
        "tax_classification": "TaxClassificationCode",
    }
    read = {name: tree.text(path) for name, path in names.items()}
    if read["rate"] is not None:
        read["rate"] = format((Decimal(read["rate"]) * 100).normalize(), "f")
    return read


def record(tree):
    basic = lambda name: tree.text(f"EInvoiceData/BasicInformation/{name}")
    number, head = tree.text("TaxSupervisionInfo/InvoiceNumber"), tree.text("Header/EIid")
    assert number == head, (number, head)
    return {
        "number": number,
        "issued_on": tree.text("TaxSupervisionInfo/IssueTime"),
        "currency": "CNY",
        "seller": party(tree, "SellerInformation", "Seller"),
        "buyer": party(tree, "BuyerInformation", "Buyer"),
        "net_total": basic("TotalAmWithoutTax"),
        "tax_total": basic("TotalTaxAm"),
        "gross_total": basic("TotalTax-includedAmount"),
        "issuer": basic("Drawer"),
        "notes": [{"text": text} for text in tree.texts("EInvoiceData/AdditionalInformation/Remark")],
        "lines": [line(t) for t in tree.each("EInvoiceData/IssuItemInformation")],
    }


def read(data):
    tree = body(data, "EInvoice", {})
    return tree.whole(record(tree))


if __name__ == "__main__":
    main(read)
