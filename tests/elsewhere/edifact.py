"""What the scripts of EDIFACT mappings share: messages read with pydifact, and segments put into their groups."""

from pydifact.segmentcollection import Interchange

from reading import main


def text(element, component=0):
    """One component of an element, as pydifact gives it; None where nothing stands there."""
    part = element[component] if isinstance(element, list) and component < len(element) else element if component == 0 else None
    return part if part else None


def at(segment, element, component=0):
    elements = segment.elements
    return text(elements[element], component) if element < len(elements) else None


def lines(segment, element):
    """The lines of a free text, joined."""
    part = segment.elements[element] if element < len(segment.elements) else ""
    return ("\n".join(part) if isinstance(part, list) else part) or None


def find(segments, tag, qualifier, element=0, component=0):
    """The one segment with a tag and a qualifier; what it has not is not found in it."""
    found = [s for s in segments if s.tag == tag and at(s, element, component) == qualifier]
    assert len(found) <= 1, (tag, qualifier)
    return found[0] if found else Nothing


class Nothing:
    """A segment that is not there."""

    elements = []


def day(segment, layout="102"):
    """The day of a DTM as it is written canonically."""
    part = dated(segment, layout)
    return part and f"{part[:4]}-{part[4:6]}-{part[6:]}"


def minute(segment):
    """The minute of a DTM, by the clocks of Shanghai."""
    part = dated(segment, "203")
    return part and moment(part[:8], part[8:])


def dated(segment, layout):
    part = at(segment, 0, 1)
    assert part is None or at(segment, 0, 2) == layout, part
    return part


def moment(date, time):
    return f"{date[:4]}-{date[4:6]}-{date[6:]}T{time[:2]}:{time[2:4]}:{time[4:] or '00'}+08:00"


def sent_at(interchange):
    """What UNB says of the time."""
    return moment(interchange.timestamp.strftime("%Y%m%d"), interchange.timestamp.strftime("%H%M"))


def address(part):
    """The sender or recipient in UNB, which has no qualifier here."""
    return part if isinstance(part, str) else part[0]


def bank(segment):
    """The BIC in a FII."""
    assert at(segment, 2) is None or (at(segment, 2, 1), at(segment, 2, 2)) == ("25", "5")
    return at(segment, 2)


def parts(segments, *tags):
    """What stands before the first of these segments, and then from each of them to the next."""
    found = [[]]
    for segment in segments:
        if segment.tag in tags:
            found.append([])
        found[-1].append(segment)
    return found


def messages(body):
    """The interchange, and each of its messages as a list of segments without UNH and UNT."""
    interchange = Interchange.from_str(body.decode("utf-8"))
    for message in interchange.get_messages():
        yield interchange, message.segments
