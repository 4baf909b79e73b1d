"""The bank return file: lines of bytes cut with Python's struct, and read with its codec."""

import struct

from reading import flat, main

HEADER = ["message_id", "message_created_at", "account"]
DETAIL = [
    "servicer_reference", "end_to_end_id", "number", "direction", "amount", "booking_date", "value_date", "status",
    "reversal", "debtor", "debtor_account", "debtor_bank", "creditor", "creditor_account",
]
STATUS = {"B": "booked", "P": "pending", "I": "info", "F": "future"}


def cells(line, names, layout):
    return dict(zip(names, (cell.decode("gb18030").rstrip(" ") or None for cell in struct.unpack(layout, line[1:]))))


def day(text):
    return text and f"{text[:4]}-{text[4:6]}-{text[6:]}"


def fen(text):
    return str(int(text[:-2])) + "." + text[-2:]


def read(body):
    *lines, trailer, rest = body.split(b"\r\n")
    assert rest == b"" and trailer[:1] == b"9"
    header = cells(lines.pop(0), HEADER, "35s14s34s")
    records = []
    for line in lines:
        kind = line[:1]
        if kind == b"3":
            records[-1].setdefault("remittance_information", []).append(line[1:].decode("gb18030").rstrip(" "))
        elif kind == b"4":
            reference = cells(line, ["reference", "type_code"], "35s4s")
            records[-1].setdefault("creditor_references", []).append(reference)
        else:
            assert kind == b"2"
            records.append(detail(header, cells(line, DETAIL, "35s35s6s1s17s8s8s1s1s140s34s14s140s34s")))
    count, total = int(trailer[1:9]), int(trailer[9:27])
    assert count == len(records) and total == sum(int(r["amount"].replace(".", "")) for r in records)
    return [flat(record) for record in records]


def detail(header, row):
    moment = header["message_created_at"]
    return {
        "message_id": header["message_id"],
        "message_created_at": moment and f"{day(moment[:8])}T{moment[8:10]}:{moment[10:12]}:{moment[12:]}+08:00",
        "account": {"number": header["account"]},
        "servicer_reference": row["servicer_reference"],
        "end_to_end_id": row["end_to_end_id"],
        "entry": {"transaction_number": int(row["number"])},
        "credit_debit": {"C": "credit", "D": "debit"}[row["direction"]],
        "amount": fen(row["amount"]),
        "currency": "CNY",
        "booking_date": day(row["booking_date"]),
        "value_date": day(row["value_date"]),
        "status": STATUS[row["status"]],
        "reversal": {"Y": True, "N": False}[row["reversal"]],
        "debtor": {"name": row["debtor"], "account": {"number": row["debtor_account"]}, "agent_member_id": row["debtor_bank"]},
        "creditor": {"name": row["creditor"], "account": {"number": row["creditor_account"]}},
    }


main(read)
