"""CUSDEC of UN/EDIFACT D.21A, read with pydifact."""

from edifact import address, at, dated, day, find, lines, main, messages, moment, sent_at
from reading import flat

FUNCTION = {"1": "cancellation", "3": "deletion", "4": "change", "5": "replacement", "9": "new"}


def party(segment):
    return {"code": at(segment, 1), "name": at(segment, 3)}


def resident(segment):
    street, city, postcode, country = lines(segment, 4), at(segment, 5), at(segment, 7), at(segment, 8)
    return {**party(segment), "street": street, "city": city, "postcode": postcode, "country": country}


def declaration(interchange, segments):
    # The sections: header, items (each from its CST), summary.
    first, last = [i for i, segment in enumerate(segments) if segment.tag == "UNS"]
    header, middle, summary = segments[:first], segments[first + 1 : last], segments[last + 1 :]
    items = []
    for segment in middle:
        if segment.tag == "CST":
            items.append([])
        items[-1].append(segment)
    bgm = header[0]
    place = lambda code: at(find(header, "LOC", code), 1)
    amount = lambda code: {"value": at(find(header, "MOA", code), 0, 1), "currency": at(find(header, "MOA", code), 0, 2)}
    accepted = dated(find(header, "DTM", "148"), "204")
    transport = find(header, "TDT", "20")
    return {
        "message_id": interchange.control_reference,
        "sender": address(interchange.sender),
        "receiver": address(interchange.recipient),
        "applied_at": sent_at(interchange),
        "direction": {"830": "export", "929": "import"}[at(bgm, 0)],
        "declaration_type": at(bgm, 0),
        "internal_number": at(bgm, 1),
        "application_type": FUNCTION.get(at(bgm, 2)),
        "loading_place": place("9"),
        "discharge_place": place("12"),
        "customs_office": place("22"),
        "destination_country": place("28"),
        "export_country": place("35"),
        "exit_port": place("42"),
        "export_date": day(find(header, "DTM", "129")),
        "accepted_at": accepted and moment(accepted[:8], accepted[8:]),
        "note": lines(find(header, "FTX", "AAI"), 3),
        "declaration_number": at(find(header, "RFF", "ABT"), 0, 1),
        "voyage_number": at(transport, 1),
        "transport_mode": at(transport, 2),
        "transport_name": at(transport, 7, 3),
        "merchant": party(find(header, "NAD", "EX")),
        "declarant": party(find(header, "NAD", "DT")),
        "agent": party(find(header, "NAD", "AE")),
        "consignor": resident(find(header, "NAD", "CZ")),
        "consignee": resident(find(header, "NAD", "CN")),
        "invoice_amount": amount("39"),
        "fob_amount": amount("63"),
        "items": [item(segments) for segments in items],
        "item_count": at(find(summary, "CNT", "5"), 0, 1),
        "packages": at(find(summary, "CNT", "11"), 0, 1),
    }


def item(segments):
    cst = segments[0]
    quantity, value = find(segments, "MEA", "ABW"), find(segments, "MOA", "63")
    return {
        "number": at(cst, 0),
        "name": lines(find(segments, "FTX", "AAA"), 3),
        "origin_country": at(find(segments, "LOC", "27"), 1),
        "quantity": at(quantity, 2, 1),
        "unit": at(quantity, 2),
        "fob_amount": {"value": at(value, 0, 1), "currency": at(value, 0, 2)},
        "hs_code": at(find(segments, "RFF", "HS"), 0, 1),
        "classifications": [{"code": at(cst, i), "type": at(cst, i, 1)} for i in range(1, len(cst.elements))],
    }


def read(body):
    for interchange, segments in messages(body):
        yield flat(declaration(interchange, segments))


main(read)
