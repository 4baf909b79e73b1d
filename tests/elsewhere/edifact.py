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


def messages(body):
    """The interchange, and each of its messages as a list of segments without UNH and UNT."""
    interchange = Interchange.from_str(body.decode("utf-8"))
    for message in interchange.get_messages():
        yield interchange, message.segments
