"""Message 1104 of the treasury-tax-bank link, read with lxml."""

from decimal import Decimal

from reading import flat, main
from tips import at, day, head, message


def refund(root, pack, tx):
    return {
        **head(root, "message_reference"),
        "tax_office": at(pack, "TaxOrgCode"),
        "execution_date": day(pack, "EntrustDate"),
        "batch_id": at(pack, "PackNo"),
        "end_to_end_id": at(tx, "TraNo"),
        "treasury": at(tx, "DrawBackTreCode"),
        "creditor": {
            "clearing_bank_id": at(tx, "PayeeBankNo"),
            "agent_member_id": at(tx, "PayeeOpBkCode"),
            "account": {"number": at(tx, "PayeeAcct")},
            "name": at(tx, "PayeeName"),
        },
        "taxpayer": {"number": at(tx, "TaxPayCode"), "name": at(tx, "TaxPayName")},
        "voucher_number": at(tx, "DrawBackVouNo"),
        "original_voucher_number": at(tx, "OriTaxVouNo"),
        "amount": at(tx, "TraAmt"),
        "currency": "CNY",
        "billed_on": day(tx, "BillDate"),
        "budget_type": at(tx, "BudgetType"),
        "budget_subject": at(tx, "BudgetSubjectCode"),
        "budget_level": at(tx, "BudgetLevelCode"),
        "trim_sign": at(tx, "TrimSign"),
        "reason_code": at(tx, "DrawBackReasonCode"),
    }


def read(body):
    root = message(body, "1104")
    pack = root.find("MSG/BatchHead1104")
    refunds = root.findall("MSG/RetTreasury1104")
    told = int(at(pack, "AllNum")), Decimal(at(pack, "AllAmt"))
    assert told == (len(refunds), sum(Decimal(at(tx, "TraAmt")) for tx in refunds)), told
    for tx in refunds:
        yield flat(refund(root, pack, tx))


main(read, {"payment_method": "it is always a transfer"})
