"""Lists the tests of the W3C XML conformance suite, with what lxml reads in each document that has no DTD.

Usage: conformance.py SUITE FOLDER: the unpacked package, and an empty folder. A document with a DTD is written into that
folder a second time without it, and listed as a test `ID without its DTD` of the type `as-lxml`. One JSON object a line:
id, type, file, the name of the root, and, where lxml finds the document well-formed, `doctype`
(whether it has one) and without one `values`: in the order of the document [path, text] for each attribute as its element
opens and for each element's own text as it closes. A path is a list of names, `{namespace}local`, attributes with `@`.
"""

import json
import os
import re
import sys

from lxml import etree

# What may stand before a DTD and within it, and hold a `>` or a `]` that ends nothing.
OPAQUE = r"<!--.*?-->|<\?.*?\?>"
DOCTYPE = re.compile(rf"^((?:\s|{OPAQUE})*)<!DOCTYPE(?:{OPAQUE}|\"[^\"]*\"|'[^']*'|\[(?:{OPAQUE}|\"[^\"]*\"|'[^']*'|[^\]\"'])*\]|[^\[>\"'])*>", re.S)


def base(test):
    bases = [e.get("{http://www.w3.org/XML/1998/namespace}base") for e in test.iterancestors()]
    return os.path.join(*reversed([b for b in bases if b]))


def parser(recover=False):
    return etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False, recover=recover)


def root_name(body):
    """The name of the root as far as it can be told where a document is not well-formed."""
    try:
        root = etree.fromstring(body, parser(recover=True))
    except etree.XMLSyntaxError:
        root = None
    # A colon that is left over is no name of a plan; such a document is refused for that.
    return "none" if root is None or ":" in root.tag.split("}")[-1] else root.tag


def values(root):
    """The values of an element: lxml keeps attributes in their order, and text in pieces around children."""
    found, stack = [], [(root, (root.tag,), None)]
    while stack:
        element, path, text = stack.pop()
        if text is not None:
            found.append([path, text])
            continue
        found += [[path + ("@" + name,), value] for name, value in element.attrib.items()]
        own = (element.text or "") + "".join(child.tail or "" for child in element)
        stack.append((element, path, own))
        stack += [(child, path + (child.tag,), None) for child in reversed(element) if isinstance(child.tag, str)]
    return found


def tell(told, file, body):
    told |= {"file": file, "root": root_name(body)}
    try:
        tree = etree.fromstring(body, parser()).getroottree()
        told["doctype"] = bool(tree.docinfo.doctype or tree.docinfo.internalDTD is not None)
        if not told["doctype"]:
            told["values"] = values(tree.getroot())
    except etree.XMLSyntaxError:
        pass
    print(json.dumps(told))


def without_dtd(body):
    """The bytes of a document without its DTD; None where it has none that can be found."""
    charset = "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
    try:
        text = body.decode(charset)
    except UnicodeDecodeError:
        return None
    mark = "\xef\xbb\xbf" if text.startswith("\xef\xbb\xbf") else ""
    found = DOCTYPE.match(text[len(mark) :])
    return (mark + found.group(1) + text[len(mark) + found.end() :]).encode(charset) if found else None


suite, folder = sys.argv[1:]
listed = etree.parse(os.path.join(suite, "cleaned", "xmlconf-flattened.xml"), parser())
for number, test in enumerate(listed.iter("TEST")):
    file = os.path.join(suite, "xmlconf", base(test), test.get("URI"))
    with open(file, "rb") as document:
        body = document.read()
    told = {
        "id": test.get("ID"),
        "type": test.get("TYPE"),
    }
    tell(dict(told), file, body)
    bare = without_dtd(body)
    if bare is not None:
        file = os.path.join(folder, f"{number}.xml")
        with open(file, "wb") as document:
            document.write(bare)
        tell(told | {"id": told["id"] + " without its DTD", "type": "as-lxml"}, file, bare)
