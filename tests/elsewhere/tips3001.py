"""Message 3001 of the treasury-tax-bank link, read with lxml."""

from reading import flat, main
from tips import at, day, head, message


def read(body):
    root = message(body, "3001")
    real, turn, payment = (root.find("MSG/" + name) for name in ("RealHead3001", "TurnAccount3001", "Payment3001"))
    turn = root if turn is None else turn
    count = at(payment, "TaxTypeNum")
    yield flat({
        **head(root, "message_reference"),
        "tax_office": at(real, "TaxOrgCode"),
        "collection_date": day(real, "EntrustDate"),
        "end_to_end_id": at(real, "TraNo"),
        "creditor": {
            "agent_member_id": at(turn, "PayeeBankNo"),
            "organisation_id": at(turn, "PayeeOrgCode"),
            "account": {"number": at(turn, "PayeeAcct")},
            "name": at(turn, "PayeeName"),
        },
        "debtor": {
            "clearing_bank_id": at(turn, "PayBkCode"),
            "agent_member_id": at(turn, "PayOpBkCode"),
            "account": {"number": at(payment, "PayAcct")},
            "name": at(payment, "HandOrgName"),
        },
        "amount": at(payment, "TraAmt"),
        "currency": "CNY",
        "tax_voucher_number": at(payment, "TaxVouNo"),
        "taxpayer": {"name": at(payment, "TaxPayName")},
        "mandate": {"id": at(payment, "ProtocolNo")},
        "remittance_information": [found.text for found in payment.findall("Remark")],
        "tax_item_count": None if count is None else int(count),
        "tax_items": [
            {
                "number": at(item, "ProjectId"),
                "name": at(item, "TaxTypeName"),
                "starts_on": day(item, "TaxStartDate"),
                "ends_on": day(item, "TaxEndDate"),
                "amount": at(item, "TaxTypeAmt"),
            }
            for item in payment.findall("TaxTypeList3001")
        ],
    })


main(read)
