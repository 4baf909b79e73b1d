"""What the scripts of CREADV and DEBADV share, which differ in whose account it is."""

from edifact import at, bank, day, find, main, messages, minute, sent_at
from reading import flat

TITLES = {"CREDIT ADVICE": "credit", "DEBIT ADVICE": "debit"}


def advice(interchange, segments, account, other, party, name, reversals):
    bgm = segments[0]
    amount, own, theirs = find(segments, "MOA", "60"), find(segments, "FII", account), find(segments, "FII", other)
    told = find(segments, "FTX", "PMD")
    # The day is said twice.
    assert minute(find(segments, "DTM", "137")) == sent_at(interchange)
    return {
        "message_id": interchange.control_reference,
        "message_created_at": sent_at(interchange),
        "notification_id": at(bgm, 1),
        "reversal": reversals[at(bgm, 0)],
        "credit_debit": TITLES[at(bgm, 0, 3)],
        "status": {"9": "booked"}[at(bgm, 2)],
        "booking_date": day(find(segments, "DTM", "202")),
        "value_date": day(find(segments, "DTM", "209")),
        "servicer_reference": at(find(segments, "RFF", "ACK"), 0, 1),
        "end_to_end_id": at(find(segments, "RFF", "CR"), 0, 1),
        "transaction_id": at(find(segments, "RFF", "TN"), 0, 1),
        "amount": at(amount, 0, 1),
        "currency": at(amount, 0, 2),
        "remittance_information": [at(told, 3, i) for i in range(5) if at(told, 3, i)],
        "account": {"number": at(own, 1), "currency": at(own, 1, 3), "servicer_bic": bank(own)},
        party: {"name": at(find(segments, "NAD", name), 3), "account": {"number": at(theirs, 1)}, "agent_bic": bank(theirs)},
    }


def run(**qualifiers):
    main(lambda body: [flat(advice(*message, **qualifiers)) for message in messages(body)])
