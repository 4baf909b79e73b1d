"""Customs' answer of the WCO Data Model, read with lxml."""

from reading import main
from trees import body
from wco import MD, moment

NAMES = {"md": MD, "r": "urn:wco:datamodel:WCO:RES-DMS:2", "ds": "urn:wco:datamodel:WCO:Response_DS:DMS:2"}
STATUS = {"01": "accepted", "02": "received", "03": "rejected", "05": "inspection", "06": "documents-required", "08": "released", "09": "cleared"}
STATUS |= {"10": "invalidated", "13": "tax", "16": "end-of-goods"}


def tax(tree):
    paths = {
        "base_amount": "r:AdValoremTaxBaseAmount",
        "deduction": "r:DeductAmount",
        "assessed_amount": "r:Payment/r:TaxAssessedAmount",
        "payable_amount": "r:Payment/r:PaymentAmount",
    }
    amounts = {name: tree.text(path) for name, path in paths.items()}
    currencies = {tree.text(f"{path}/@currencyID") for path in paths.values()} - {None}
    assert len(currencies) <= 1, currencies
    return amounts | {
        "currency": next(iter(currencies), None),
        "regime": tree.text("r:DutyRegimeCode"),
        "base_quantity": tree.text("r:SpecificTaxBaseQuantity"),
        "rate": tree.text("r:TaxRateNumeric"),
        "type": tree.text("r:TypeCode"),
        "payment_method": tree.text("r:Payment/r:MethodCode"),
    }


def error(tree):
    pointers = [{"sequence": p.text("r:SequenceNumeric"), "section": p.text("r:DocumentSectionCode"), "tag": p.text("r:TagID")} for p in tree.each("r:Pointer")]
    return {"text": tree.text("r:Description"), "code": tree.text("r:ValidationCode"), "pointers": pointers}


def record(tree):
    at = tree.text
    return {
        "status": STATUS[at("r:FunctionCode")],
        "response_id": at("r:FunctionalReferenceID"),
        "issued_at": moment(tree, "r:IssueDateTime"),
        "information": [
            {"code": t.text("r:StatementCode"), "text": t.text("r:StatementDescription"), "type": t.text("r:StatementTypeCode")}
            for t in tree.each("r:AdditionalInformation")
        ],
        "bank": {"bank_code": at("r:Bank/r:ReferenceID"), "account": at("r:Bank/r:ID")},
        "errors": [error(t) for t in tree.each("r:Error")],
        "statuses": tree.texts("r:Status/r:NameCode"),
        "declaration": {
            "accepted_at": moment(tree, "r:Declaration/r:AcceptanceDateTime"),
            "reference": at("r:Declaration/r:FunctionalReferenceID"),
            "number": at("r:Declaration/r:ID"),
            "rejected_at": moment(tree, "r:Declaration/r:RejectionDateTime"),
            "version": at("r:Declaration/r:VersionID"),
        },
        "taxes": [tax(t) for t in tree.each("r:Declaration/r:DutyTaxFee")],
        "items": [
            {"number": t.text("r:SequenceNumeric"), "taxes": [tax(d) for d in t.each("r:Commodity/r:DutyTaxFee")]}
            for t in tree.each("r:Declaration/r:GoodsShipment/r:GovernmentAgencyGoodsItem")
        ],
    }


def read(data):
    meta = body(data, "md:MetaData", NAMES)
    meta.is_always("md:WCODataModelVersionCode", "3.6")
    meta.is_always("md:WCOTypeName", "RES")
    return meta.whole(*[record(tree) for tree in meta.each("r:Response")])


if __name__ == "__main__":
    main(read)
