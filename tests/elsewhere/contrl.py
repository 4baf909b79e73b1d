"""CONTRL of UN/EDIFACT, read with pydifact."""

from edifact import at, main, messages
from reading import flat


# 0085: of what is written as one code, one.
PLACES = {
    None: None,
    "2": "encoding.charset",
    "13": "syntax.truncated",
    "17": "syntax.other-message",
    "21": "syntax.character",
    "22": "UNA",
    "26": "message/UNH/0062",
    "28": "UNZ/0020",
    "29": "UNZ/0036",
}
RULES = {
    "12": "edifact.form",
    "13": "edifact.missing",
    "15": "edifact.segment",
    "16": "edifact.element",
    "21": "edifact.repertoire",
    "25": "edifact.test",
    "35": "edifact.repeated",
}


def report(interchange, segments):
    """UCI, and a UCM for each message that is named."""
    uci = segments[0]
    assert uci.tag == "UCI"
    unreadable = []
    for segment in segments[1:]:
        assert (segment.tag, at(segment, 2)) == ("UCM", "4")
        kind, version, release, agency = (at(segment, 1, component) for component in range(4))
        unreadable.append({"reference": at(segment, 0), "type": kind, "version": version, "release": release, "agency": agency, "rule": RULES[at(segment, 3)]})
    return {
        "reference": interchange.control_reference,
        "message": {
            "reference": at(uci, 0),
            "sender": at(uci, 1),
            "sender_qualifier": at(uci, 1, 1),
            "receiver": at(uci, 2),
            "receiver_qualifier": at(uci, 2, 1),
        },
        "readable": {"7": "true", "4": "false"}[at(uci, 3)],
        "syntax_place": PLACES[at(uci, 4)],
        "unreadable": unreadable,
    }


main(
    lambda body: [flat(report(interchange, segments)) for interchange, segments in messages(body)],
    {"received_at": "UNB tells it to the minute, in years of two digits"},
)
