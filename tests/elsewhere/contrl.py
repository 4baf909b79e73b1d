"""CONTRL of UN/EDIFACT, read with pydifact."""

from edifact import at, main, messages
from reading import flat


def report(interchange, segments):
    """UCI, and a UCM for each message that is named."""
    uci = segments[0]
    assert uci.tag == "UCI"
    unreadable = []
    for segment in segments[1:]:
        assert (segment.tag, at(segment, 2), at(segment, 3)) == ("UCM", "4", "18")
        kind, version, release, agency = (at(segment, 1, component) for component in range(4))
        unreadable.append({"reference": at(segment, 0), "type": kind, "version": version, "release": release, "agency": agency})
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
        "syntax_fault": {"21": "syntax.character", "2": "encoding.charset", "18": "unspecified", None: None}[at(uci, 4)],
        "unreadable": unreadable,
    }


main(
    lambda body: [flat(report(interchange, segments)) for interchange, segments in messages(body)],
    {"received_at": "UNB tells it to the minute, in years of two digits"},
)
