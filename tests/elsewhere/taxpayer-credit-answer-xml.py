"""An answer to a query of a taxpayer's credit, read with lxml."""

from credit import day, moment, period
from reading import main
from trees import body

RESULT = {"0000": "found", "1001": "not-found", "1002": "no-consent", "1009": "refused"}


def filing(tree):
    at = tree.text
    return {
        "tax": at("Tax"),
        "period": period(at("Period")),
        "filed_on": day(at("FiledDate")),
        "sales_amount": at("Sales"),
        "due_amount": at("TaxDue"),
        "paid_amount": at("TaxPaid"),
        "overdue_amount": at("TaxOverdue"),
    }


def record(tree):
    at = tree.text
    return {
        "query_id": at("Head/QueryId"),
        "answer_id": at("Head/AnswerId"),
        "answered_at": moment(at("Head/AnswerTime")),
        "result": RESULT[at("Head/Result")],
        "result_text": at("Head/ResultText"),
        "valid_until": moment(at("Head/ValidUntil")),
        "taxpayer": {"number": at("Body/TaxpayerId"), "name": at("Body/TaxpayerName")},
        "grades": [{"year": t.text("Year"), "grade": t.text("Level"), "score": t.text("Score")} for t in tree.each("Body/Grade")],
        "period": period(at("Body/Period")),
        "currency": at("Body/Currency"),
        "filings": [filing(t) for t in tree.each("Body/Filing")],
    }


def read(data):
    tree = body(data, "CreditAnswer", {})
    return tree.whole(record(tree))


if __name__ == "__main__":
    main(read)
