"""Message 2001 of the treasury-tax-bank link, read with lxml."""

from reading import flat, main
from tips import at, day, head, message

RESULT = {"90000": "success", "94051": "duplicate", "24009": "no-agreement", "94999": "other"}
COMPUTED = "it is computed from the result"


def read(body):
    root = message(body, "2001")
    answer = root.find("MSG/SingleReturn2001")
    yield flat({
        **head(root, "original_message_id"),
        "tax_office": at(answer, "OriTaxOrgCode"),
        "end_to_end_id": at(answer, "OriTraNo"),
        "entrusted_on": day(answer, "OriEntrustDate"),
        "tax_voucher_number": at(answer, "TaxVouNo"),
        "debited_on": day(answer, "TaxDate"),
        "result": RESULT[at(answer, "Result")],
        "reasons": [{"information": [found.text]} for found in answer.findall("AddWord")],
    })


main(read, dict.fromkeys(["level", "original_message_name", "transaction_status", "status"], COMPUTED))
