"""APERAK of UN/EDIFACT D.21A, read with pydifact."""

from edifact import at, find, lines, main, messages
from reading import flat, in_shanghai


# What the partners agreed on for the rules that the flows' broken interchanges break.
KINDS = {
    "code.unknown": "CODE",
    "edifact.form": "FORMAT",
    "edifact.missing": "MISSING",
    "edifact.segment": "SEGMENT",
    "records.totals": "TOTALS",
    "type.currency": "CODE",
    "type.date": "DATE",
    "type.decimal": "NUMBER",
    "type.hs-code": "CODE",
    "type.money": "AMOUNT",
}


def acknowledgement(interchange, segments):
    """A header, then a group for each error, which begins with its ERC."""
    starts = [i for i, segment in enumerate(segments) if segment.tag == "ERC"] + [len(segments)]
    header = segments[: starts[0]]
    bgm = header[0]
    assert bgm.tag == "BGM" and at(bgm, 0) == "305"
    received = find(header, "DTM", "137")
    assert at(received, 0, 2) == "204"
    sender, receiver = interchange.recipient, interchange.sender
    return {
        "reference": at(bgm, 1),
        "received_at": in_shanghai(at(received, 0, 1)),
        "verdict": {"29": "accepted", "34": "in-part", "27": "refused"}[at(bgm, 2)],
        "message": {
            "reference": at(find(header, "RFF", "ACW"), 0, 1),
            **party("sender", sender),
            **party("receiver", receiver),
        },
        "errors": [error(segments[start:end]) for start, end in zip(starts, starts[1:])],
    }


def party(role, address):
    """An interchange's party and its qualifier."""
    name, qualifier = (address + [None])[:2] if isinstance(address, list) else (address, None)
    return {role: name, f"{role}_qualifier": qualifier}


def error(segments):
    text = find(segments, "FTX", "AAO").elements[3]
    assert at(segments[0], 0) == KINDS.get(text[0], "REFUSED"), (segments[0], text)
    return {
        "rule": text[0],
        "message_en": text[1],
        "document": at(find(segments, "RFF", "ABO"), 0, 1),
        "record": at(find(segments, "RFF", "LI"), 0, 1),
    }


main(lambda body: [flat(acknowledgement(interchange, segments)) for interchange, segments in messages(body)])
