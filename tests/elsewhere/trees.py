"""XML taken value by value with lxml: what nobody took of a body is an error, so that no value is missed."""

from lxml import etree

from reading import flat


class Tree:
    """An element; paths are XPath, with the prefixes that the script declares."""

    def __init__(self, element, names, left=None):
        self.element, self.names = element, names
        self.paths = element.getroottree()
        if left is None:
            left = set()
            for each in element.iter(etree.Element):
                if not len(each):
                    left.add(self.paths.getpath(each))
                left.update(f"{self.paths.getpath(each)}/@{name}" for name in each.attrib)
        self.left = left

    def find(self, path):
        return self.element.xpath(path, namespaces=self.names)

    def text(self, path):
        """The text of the one element or attribute at a path; None where there is none."""
        found = self.find(path)
        assert len(found) <= 1, f"{path} stands {len(found)} times"
        if not found:
            return None
        if isinstance(found[0], str):
            parent = self.paths.getpath(found[0].getparent())
            self.left.discard(f"{parent}/@{found[0].attrname}")
            return str(found[0])
        assert not len(found[0]), path
        self.left.discard(self.paths.getpath(found[0]))
        return found[0].text

    def is_always(self, path, text):
        """A fixed text, which stands wherever its parent does."""
        for element in self.find(path):
            if isinstance(element, str):
                self.left.discard(f"{self.paths.getpath(element.getparent())}/@{element.attrname}")
                found = str(element)
            else:
                self.left.discard(self.paths.getpath(element))
                found = element.text
            assert (found or "") == text, f"{path} is {found}"

    def each(self, path):
        return [Tree(element, self.names, self.left) for element in self.find(path)]

    def texts(self, path):
        return [tree.text(".") for tree in self.each(path)]

    def members(self, path, **places):
        """Texts by name, each at its place below a path."""
        return {name: self.text(f"{path}/{place}") for name, place in places.items()}

    def whole(self, *records):
        """Records as path → text, if they have all that stands in the body."""
        assert not self.left, sorted(self.left)
        return [flat(clean(record)) for record in records]


def body(data, root, names):
    """A body's root element, which must have this name."""
    element = etree.fromstring(data)
    prefix, _, name = root.rpartition(":")
    assert element.tag == (f"{{{names[prefix]}}}{name}" if prefix else name), element.tag
    return Tree(element, names)


def clean(value):
    """A value without the members and items in which nothing stands."""
    if isinstance(value, dict):
        kept = {name: clean(member) for name, member in value.items()}
        return {name: member for name, member in kept.items() if member not in (None, {}, [])}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value
