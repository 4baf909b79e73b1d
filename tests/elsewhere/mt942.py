"""MT942 read with the library mt-940, a message at a time; the codes between the slashes of field 86 are cut here."""

import re

import mt940
from reading import flat, main

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


def read(body):
    for message in re.split(r"(?m)^-\r\n", body.decode("ascii"))[:-1]:
        statement = mt940.parse(message.replace("\r\n", "\n").strip() + "\n")
        moment = re.search(r":13D:(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([+-]\d\d)(\d\d)", message).groups()
        for transaction in statement.transactions:
            data = transaction.data
            amount = data["amount"]
            yield flat({
                "message_id": statement.data["transaction_reference"],
                "message_created_at": "20{}-{}-{}T{}:{}:00{}:{}".format(*moment),
                "account": {"number": statement.data["account_identification"]},
                "value_date": data["date"],
                "booking_date": data.get("entry_date"),
                "credit_debit": DIRECTION[data["status"]],
                "reversal": data["status"][0] == "R",
                "status": "booked",
                "amount": f"{abs(amount.amount):.{DECIMALS.get(amount.currency, 2)}f}",
                "currency": amount.currency,
                "entry": {"servicer_reference": data["bank_reference"]},
                **codes(data.get("transaction_details") or ""),
            })


main(read, {"entry.transaction_number": "each field 61 is a transaction of its own"})
