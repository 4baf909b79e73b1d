"""Takes documents out of their containers: containers.py FOLDER ENTRIES BOUNDARY.

ENTRIES are a mapping's containers as JSON, the outermost first. Beside each file NAME in the folder NAME.document is left. Python's
gzip, zipfile, email and base64 read them, and the packages zstandard, multipart and lxml.
"""

import base64
import email
import email.policy
import gzip
import io
import json
import os
import sys
import zipfile

import multipart
import zstandard
from lxml import etree


def of_gzip(body, entry):
    return gzip.decompress(body)


def of_zstd(body, entry):
    with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
        return reader.read()


def of_zip(body, entry):
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        (member,) = archive.infolist()
        name = member.filename
        if not member.flag_bits & 0x800 and not name.isascii():
            # Without the mark for UTF-8, zipfile takes a name for code page 437.
            name = name.encode("cp437").decode(entry["names"])
        assert name == entry["write"], name
        return archive.read(member)


def of_multipart(body, entry):
    if "field" in entry:
        (part,) = multipart.MultipartParser(io.BytesIO(body), BOUNDARY, strict=True).parts()
        assert (part.name, part.filename) == (entry["field"], entry["write"]), part
        return part.raw
    head = f"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={BOUNDARY}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    assert message.is_multipart() and not message.defects, message.defects
    (part,) = message.get_payload()
    assert not part.defects and part.get_content_disposition() == "attachment", part.items()
    assert part.get_filename() == entry["write"], part.get_filename()
    return part.get_payload(decode=True)


def of_envelope(body, entry):
    root = etree.fromstring(body)
    namespace = "{%s}" % entry["namespace"] if "namespace" in entry else ""
    first, *steps = entry["path"].split("/")
    assert root.tag == namespace + first, root.tag
    (payload,) = root.findall("/".join(namespace + step for step in steps))
    return base64.b64decode(payload.text, validate=True)


OF = {"gzip": of_gzip, "zstd": of_zstd, "zip": of_zip, "multipart": of_multipart, "xml-base64": of_envelope}
folder, entries, BOUNDARY = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
for name in sorted(os.listdir(folder)):
    path = os.path.join(folder, name)
    with open(path, "rb") as file:
        document = file.read()
    for entry in entries:
        document = OF[entry["kind"]](document, entry)
    with open(path + ".document", "wb") as file:
        file.write(document)
