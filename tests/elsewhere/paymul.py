"""PAYMUL of UN/EDIFACT D.21A, read with pydifact."""

from edifact import address, at, bank, day, find, main, messages, minute, sent_at
from reading import flat


def refund(interchange, segments):
    # One order of one payment: what stands before SEQ is of the order.
    tags = [segment.tag for segment in segments]
    assert tags.count("LIN") == tags.count("SEQ") == 1 and at(find(segments, "CNT", "2"), 0, 1) == "1"
    order, payment = segments[: tags.index("SEQ")], segments[tags.index("SEQ") :]
    assert at(order[tags.index("LIN")], 0) == at(payment[0], 1) == "1"
    assert minute(find(segments, "DTM", "137")) == sent_at(interchange)
    payer, payee, amount, told = find(order, "FII", "OR"), find(payment, "FII", "BF"), find(payment, "MOA", "9"), find(payment, "FTX", "PMD")
    assert [at(segment, 0) for segment in payment if segment.tag == "PRC"] == ["11"] * tags.count("FTX")
    return {
        "message_id": interchange.control_reference,
        "message_created_at": sent_at(interchange),
        "sending_node": address(interchange.sender),
        "receiving_node": address(interchange.recipient),
        "batch_id": at(segments[0], 1),
        "execution_date": day(find(order, "DTM", "203")),
        "debtor": {"name": at(find(order, "NAD", "OY"), 3), "account": {"number": at(payer, 1)}, "agent_bic": bank(payer)},
        "amount": at(amount, 0, 1),
        "currency": at(amount, 0, 2),
        "end_to_end_id": at(find(payment, "RFF", "CR"), 0, 1),
        "creditor": {"name": at(find(payment, "NAD", "BE"), 3), "account": {"number": at(payee, 1)}, "agent_bic": bank(payee)},
        "remittance_information": [at(told, 3, i) for i in range(5) if at(told, 3, i)],
    }


main(lambda body: [flat(refund(*message)) for message in messages(body)])
