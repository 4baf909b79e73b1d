"""INVOIC of UN/EDIFACT D.21A, read with pydifact."""

from edifact import address, at, day, find, lines, main, messages, parts
from reading import flat


def amount(segments, code):
    return at(find(segments, "MOA", code), 0, 1)


def tax(segments):
    found = find(segments, "TAX", "7")
    assert at(found, 1) in (None, "VAT")
    return {"category": at(found, 5), "rate": at(found, 4, 3)}


def party(groups, qualifier):
    group = next((group for group in groups if group[0].tag == "NAD" and at(group[0], 0) == qualifier), None)
    if group is None:
        return {}
    of = group[0]
    street = {f"line{i + 1}": at(of, 4, i) for i in range(3)}
    where = {**street, "city": at(of, 5), "postcode": at(of, 7), "country": at(of, 8)}
    return {"legal_id": at(of, 1), "name": at(of, 3), "address": where, "tax_number": at(find(group, "RFF", "VA"), 0, 1)}


def allowance(segments):
    return {
        "is_charge": {"A": False, "C": True}[at(segments[0], 0)],
        "reason": at(segments[0], 4, 3),
        "percent": at(find(segments, "PCD", "3"), 0, 1),
        "amount": amount(segments, "8"),
        "base_amount": amount(segments, "25"),
        **tax(segments),
    }


def line(segments):
    quantity = find(segments, "QTY", "47")
    return {
        "id": at(segments[0], 0),
        "standard_item": at(segments[0], 2),
        "name": at(find(segments, "IMD", "F"), 2, 3),
        "quantity": at(quantity, 0, 1),
        "unit": at(quantity, 0, 2),
        "net_amount": amount(segments, "203"),
        "price": at(find(segments, "PRI", "AAA"), 0, 1),
        "gross_price": at(find(segments, "PRI", "AAB"), 0, 1),
        **tax(segments),
    }


def invoice(interchange, segments):
    end = next(i for i, segment in enumerate(segments) if segment.tag == "UNS")
    body, summary = segments[:end], segments[end + 1 :]
    start = next((i for i, segment in enumerate(body) if segment.tag == "LIN"), end)
    top = parts(body[:start], "RFF", "NAD", "CUX", "PYT", "ALC")
    # A number of a party stands in the party's group.
    groups = []
    for group in top[1:]:
        if group[0].tag == "RFF" and at(group[0], 0) == "VA":
            groups[-1].extend(group)
        else:
            groups.append(group)
    references = [group[0] for group in groups if group[0].tag == "RFF"]
    reference = lambda code: at(find(references, "RFF", code), 0, 1)
    before = [group for group in groups if group[0].tag == "RFF" and at(group[0], 0) == "OI"]
    terms = [segment for group in groups if group[0].tag == "PYT" for segment in group]
    assert all(at(segment, 0) == "3" for segment in terms if segment.tag == "PYT")
    bgm, issued = top[0][0], day(find(top[0], "DTM", "137"))
    assert interchange.control_reference == at(bgm, 1) and interchange.timestamp.date().isoformat() == issued
    assert (address(interchange.sender), address(interchange.recipient)) == ("SENDER", "RECIPIENT")
    currency = find([group[0] for group in groups], "CUX", "2")
    totals = parts(summary, "TAX")
    return {
        "number": at(bgm, 1),
        "type_code": at(bgm, 0),
        "issued_on": issued,
        "delivery": {"on": day(find(top[0], "DTM", "35"))},
        "due_on": day(find(terms, "DTM", "13")),
        "notes": [{"subject_code": at(s, 0), "text": lines(s, 3)} for s in top[0] if s.tag == "FTX"],
        "order_number": reference("ON"),
        "sales_order_number": reference("VN"),
        "despatch_number": reference("AAK"),
        "receipt_number": reference("ALO"),
        "project_reference": reference("AEP"),
        "contract_number": reference("CT"),
        "preceding_invoices": [{"number": at(g[0], 0, 1), "issued_on": day(find(g, "DTM", "171"))} for g in before],
        "currency": at(currency, 0, 1),
        "seller": party(groups, "SE"),
        "buyer": party(groups, "BY"),
        "allowances_charges": [allowance(group) for group in groups if group[0].tag == "ALC"],
        "lines": [line(group) for group in parts(body[start:], "LIN")[1:]],
        "line_total": amount(totals[0], "79"),
        "allowance_total": amount(totals[0], "260"),
        "charge_total": amount(totals[0], "259"),
        "net_total": amount(totals[0], "389"),
        "tax_total": amount(totals[0], "176"),
        "gross_total": amount(totals[0], "388"),
        "paid_amount": amount(totals[0], "113"),
        "payable_amount": amount(totals[0], "9"),
        "tax_breakdown": [{**tax(g), "taxable_amount": amount(g, "125"), "tax_amount": amount(g, "124")} for g in totals[1:]],
    }


main(lambda body: [flat(invoice(*message)) for message in messages(body)])
