"""CUSRES of UN/EDIFACT D.21A, read with pydifact."""

from edifact import at, dated, find, lines, main, messages, moment, parts, sent_at
from reading import flat

STATUS = {"AB": "received", "AJ": "manual-review", "AP": "accepted", "RE": "rejected"}


def tax(segments, level):
    of, basis, duty, payable = segments[0], find(segments, "MOA", "56"), find(segments, "MOA", "55"), find(segments, "MOA", "9")
    assert at(of, 0) == level
    return {
        "type": at(of, 1),
        "rate": at(of, 4, 3),
        "base_amount": at(basis, 0, 1),
        "assessed_amount": at(duty, 0, 1),
        "payable_amount": at(payable, 0, 1),
        "currency": at(duty, 0, 2),
    }


def error(segments):
    where = segments[0]
    code = [at(segment, 0) for segment in segments if segment.tag == "ERC"]
    pointer = {"section": at(where, 0), "tag": at(where, 1), "sequence": at(where, 1, 1)}
    return {"code": code[0] if code else None, "text": lines(find(segments, "FTX", "AAO"), 3), "pointers": [pointer]}


def response(interchange, segments):
    header, *groups = parts(segments, "RFF", "ERP", "TAX", "DOC", "CST")
    references = [group[0] for group in groups if group[0].tag == "RFF"]
    begins = [group[0].tag for group in groups]
    document = begins.index("DOC") if "DOC" in begins else len(groups)
    items = []
    for group in groups[document + 1 :]:
        if group[0].tag == "CST":
            items.append({"number": at(group[0], 0), "taxes": []})
        else:
            items[-1]["taxes"].append(tax(group, "1"))
    bgm, accepted = header[0], dated(find(header, "DTM", "148"), "204")
    assert (at(bgm, 0), at(bgm, 2)) == ("962", "11")
    told = [segment for segment in header if segment.tag == "FTX"]
    return {
        "message_id": interchange.control_reference,
        "issued_at": sent_at(interchange),
        "response_id": at(bgm, 1),
        "status": STATUS[at(bgm, 3)],
        "customs_office": at(find(header, "LOC", "22"), 1),
        "declaration": {
            "accepted_at": accepted and moment(accepted[:8], accepted[8:]),
            "reference": at(find(references, "RFF", "ABO"), 0, 1),
            "number": at(find(references, "RFF", "ABT"), 0, 1),
        },
        "information": [{"type": at(segment, 0), "code": at(segment, 2), "text": lines(segment, 3)} for segment in told],
        "errors": [error(group) for group in groups if group[0].tag == "ERP"],
        "taxes": [tax(group, "3") for group in groups[:document] if group[0].tag == "TAX"],
        "items": items,
    }


main(lambda body: [flat(response(*message)) for message in messages(body)])
