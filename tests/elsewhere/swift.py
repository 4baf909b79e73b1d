"""MT940 and MT942 read with the library mt-940, a message at a time; the codes between the slashes of field 86 are cut here."""

import os
import re
import sys

# A script here has the library's name.
here = os.path.dirname(os.path.abspath(__file__))
sys.path.remove(here)
import mt940
sys.path.insert(0, here)

from reading import flat

DIRECTION = {"C": "credit", "D": "debit", "RC": "debit", "RD": "credit"}
DECIMALS = {"JPY": 0, "KWD": 3}


def codes(text):
    found = re.split(r"/(EREF|MARF|REMI)/", text.replace("\n", ""))
    assert found[0] == ""
    parts = list(zip(found[1::2], found[2::2]))
    one = dict(parts)
    return {
        "end_to_end_id": one.get("EREF"),
        "mandate_id": one.get("MARF"),
        "remittance_information": [text for name, text in parts if name == "REMI"],
    }


def amount(of):
    return f"{abs(of.amount):.{DECIMALS.get(of.currency, 2)}f}"


def balance(of):
    return {"amount": amount(of.amount), "currency": of.amount.currency, "credit_debit": DIRECTION[of.status], "date": of.date}


def moment(message):
    found = re.search(r":13D:(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([+-]\d\d)(\d\d)", message)
    return found and "20{}-{}-{}T{}:{}:00{}:{}".format(*found.groups())


def balances(statement):
    """Those of a statement, which its entries must lead from one to the other; a report has none."""
    opening, closing = statement.data.get("final_opening_balance"), statement.data.get("final_closing_balance")
    if opening is None:
        return {}
    # The library takes the reversal of a credit for a credit.
    signs = {"credit": 1, "debit": -1}
    booked = sum(abs(t.data["amount"].amount) * signs[DIRECTION[t.data["status"]]] for t in statement.transactions)
    assert opening.amount.amount + booked == closing.amount.amount, (opening, booked, closing)
    return {
        "notification_number": statement.data["statement_number"],
        "opening_balance": balance(opening),
        "closing_balance": balance(closing),
    }


def read(body):
    for message in re.split(r"(?m)^-\r\n", body.decode("ascii"))[:-1]:
        statement = mt940.parse(message.replace("\r\n", "\n").strip() + "\n")
        for transaction in statement.transactions:
            data = transaction.data
            yield flat({
                "message_id": statement.data["transaction_reference"],
                "message_created_at": moment(message),
                "account": {"number": statement.data["account_identification"]},
                **balances(statement),
                "value_date": data["date"],
                "booking_date": data.get("entry_date"),
                "credit_debit": DIRECTION[data["status"]],
                "reversal": data["status"][0] == "R",
                "status": "booked",
                "amount": amount(data["amount"]),
                "currency": data["amount"].currency,
                "entry": {
                    "servicer_reference": data["bank_reference"],
                    "transaction_type": None if data["id"] == "NMSC" else data["id"],
                    "reference": None if data["customer_reference"] == "NONREF" else data["customer_reference"],
                },
                **codes(data.get("transaction_details") or ""),
            })


NOT_READ = {"entry.transaction_number": "each field 61 is a transaction of its own"}
