"""A query of a taxpayer's credit, read with lxml."""

from credit import day, moment, period
from reading import main
from trees import body


def record(tree):
    at = tree.text
    purpose = at("Body/Purpose")
    return {
        "query_id": at("Head/QueryId"),
        "asked_at": moment(at("Head/QueryTime")),
        "bank": {"code": at("Head/BankCode"), "name": at("Head/BankName")},
        "taxpayer": {"number": at("Body/TaxpayerId"), "name": at("Body/TaxpayerName")},
        "consent": {"reference": at("Body/Consent/No"), "given_on": day(at("Body/Consent/Date")), "expires_on": day(at("Body/Consent/EndDate"))},
        "purpose": purpose and {"01": "loan-application", "02": "loan-management"}[purpose],
        "period": period(at("Body/Period")),
    }


def read(data):
    tree = body(data, "CreditQuery", {})
    return tree.whole(record(tree))


if __name__ == "__main__":
    main(read)
