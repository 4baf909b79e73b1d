"""Makes containers around a document, sound ones and hostile ones: make.py DOCUMENT FOLDER.

Python's zipfile, gzip and base64 make them; what they would not make is patched into what they made.
"""

import base64
import gzip
import io
import pathlib
import struct
import sys
import warnings
import zipfile

document = pathlib.Path(sys.argv[1]).read_bytes()
folder = pathlib.Path(sys.argv[2])


class Legacy(zipfile.ZipInfo):
    """A member whose name is in GB 18030 and not marked as UTF-8, as Chinese Windows programs write it."""

    def _encodeFilenameFlags(self):
        return self.filename.encode("gb18030"), self.flag_bits & ~0x800


class Pipe(io.RawIOBase):
    """An output that cannot be sought in, so that sizes follow in data descriptors."""

    def __init__(self):
        self.bytes = b""

    def writable(self):
        return True

    def write(self, data):
        self.bytes += bytes(data)
        return len(data)


def archive(*members, method=zipfile.ZIP_DEFLATED, info=zipfile.ZipInfo, output=None, wide=False, attributes=None):
    output = output or io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(output, "w") as made:
        warnings.simplefilter("ignore")
        for name, content in members:
            member = info(name)
            member.compress_type = method
            member.external_attr = attributes or 0
            if name.endswith("/"):
                made.writestr(member, b"")
                continue
            with made.open(member, "w", force_zip64=wide) as into:
                into.write(content)
    return output.bytes if isinstance(output, Pipe) else output.getvalue()


def patched(body, at, form, value):
    body = bytearray(body)
    struct.pack_into(form, body, at, value)
    return bytes(body)


def twice(body, local, entry, form, value):
    """Patches a field of the first local header and of its entry in the directory."""
    return patched(patched(body, local, form, value), body.index(b"PK\1\2") + entry, form, value)


def save(name, body):
    (folder / name).write_bytes(body)


one = archive(("a.csv", document))
end = one.index(b"PK\5\6")

# Sound.
save("one", one)
save("two-legacy", archive(("收入表/甲.csv", document), ("收入表/㐂𠮷.csv", document), info=Legacy))
save("two-marked", archive(("收入表/甲.csv", document), ("收入表/㐂𠮷.csv", document)))
save("stored", archive(("a.csv", document), method=zipfile.ZIP_STORED))
save("streamed", archive(("a.csv", document), ("b.csv", document), output=Pipe()))
save("zip64", archive(("a.csv", document), ("b.csv", document), wide=True))
save("zip64-streamed", archive(("a.csv", document), output=Pipe(), wide=True))
save("others", archive(("d/", b""), ("d/a.csv", document), ("__MACOSX/d/._a.csv", b"junk"), ("empty.txt", b"")))
save("with-comment", patched(one, end + 20, "<H", 5) + b"hello")
save("gzip", gzip.compress(document))
save("zip-in-gzip", gzip.compress(one))

# Hostile or broken.
save("encrypted", twice(one, 6, 8, "<H", 1))
save("aes", twice(one, 8, 10, "<H", 99))
save("bzip2", archive(("a.csv", document), method=zipfile.ZIP_BZIP2))
save("second-disk", patched(one, end + 4, "<H", 1))
save("member-on-second-disk", patched(one, one.index(b"PK\1\2") + 34, "<H", 1))
save("spanned", b"PK\7\x08" + one)
save("link", archive(("a.csv", document), attributes=0o120777 << 16))
stored = archive(("a.csv", document), output=Pipe(), method=zipfile.ZIP_STORED)
save("stored-streamed", stored)
for number, name in enumerate(["../a.csv", "/a.csv", "C:/a.csv", "a\\b.csv", "d/../../a.csv"]):
    save(f"name-{number}", archive((name, document)))
save("name-twice", archive(("a.csv", document), ("a.csv", document)))
save("name-long", archive(("a" * 2000 + ".csv", document)))
save("longer-than-told", twice(one, 22, 24, "<I", len(document) - 1))
save("shorter-than-told", twice(one, 22, 24, "<I", len(document) + 1))
save("packed-shorter", twice(one, 18, 20, "<I", 20))
save("wrong-crc", twice(one, 14, 16, "<I", 0x12345678))
save("directory-other-crc", patched(one, one.index(b"PK\1\2") + 16, "<I", 1))
save("directory-other-name", one.replace(b"PK\1\2", b"PK\1\2").replace(b"a.csv", b"b.csv", 1))
save("directory-other-offset", patched(one, one.index(b"PK\1\2") + 42, "<I", 7))
save("directory-more-entries", patched(patched(one, end + 8, "<H", 2), end + 10, "<H", 2))
hidden = io.BytesIO()
with zipfile.ZipFile(hidden, "w", zipfile.ZIP_DEFLATED) as made:
    made.writestr("a.csv", document)
    made.writestr("b.csv", document)
    del made.filelist[1]
save("hidden-member", hidden.getvalue())
save("bytes-before", b"MZ" + one)
save("bytes-after", one + b"x")
save("bytes-between", one[: one.index(b"PK\1\2")] + b"xxxx" + one[one.index(b"PK\1\2") :])
save("cut-in-data", one[:100])
save("cut-in-directory", one[: end - 10])
save("cut-in-end", one[:-3])
save("damaged-data", one[:60] + bytes([one[60] ^ 0xFF, one[61] ^ 0xFF]) + one[62:])
save("empty", archive())
save("nothing", b"")
save("no-zip", document)
save("nested", archive(("a.csv", one)))
save("gzip-nested", archive(("a.csv", gzip.compress(document))))
save("bomb", archive(("a.csv", document + b"\n" * (40 << 20))))
save("bomb-in-ignored", archive(("a.txt", b"0" * (40 << 20)), ("a.csv", document)))
save("many", archive(*[(f"{number}.csv", document) for number in range(1_001)]))
save("gzip-cut", gzip.compress(document)[:-4])
save("gzip-bomb", gzip.compress(document + b"\n" * (40 << 20)))
save("gzip-and-more", gzip.compress(document) + b"x")

# Forms.
line = "------------------------8f0e"


def part(headers, content, boundary=line):
    return f"--{boundary}\r\n".encode() + "".join(f"{h}\r\n" for h in headers).encode() + b"\r\n" + content + b"\r\n"


token = part(['Content-Disposition: form-data; name="token"'], b"abc")
upload = part(['Content-Disposition: form-data; name="file"; filename="收入表 一.csv"', "Content-Type: text/csv"], document)
second = part(["content-disposition: form-data; name=file; filename=x.csv; filename*=UTF-8''%E6%94%B6%E5%85%A5.csv"], document)
close = f"--{line}--".encode()
save("form", token + upload + second + close + b"\r\n")
save("mixed", part(['Content-Disposition: attachment; filename="a.csv"', "Content-Transfer-Encoding: 8bit"], document) + close)
save("form-with-zip", part(['Content-Disposition: form-data; name="f"; filename="f.zip"'], one) + close)
save("form-unclosed", token + upload)
save("form-preamble", b"hello\r\n" + upload + close)
save("form-epilogue", upload + close + b"\r\nmore")
save("form-base64", part(['Content-Disposition: form-data; name="f"; filename="a.csv"', "Content-Transfer-Encoding: base64"], b"eA==") + close)
save("form-traversal", part(['Content-Disposition: form-data; name="f"; filename="../a.csv"'], document) + close)
save("form-twice", upload + upload + close)
save("form-nested", part(["Content-Type: multipart/mixed; boundary=x"], document) + close)
save("form-header", b"--" + line.encode() + b"\r\n" + b"x: " + b"y" * 20_000 + b"\r\n\r\n" + document + b"\r\n" + close)
save("form-field-alone", token + close)

# Envelopes.


def envelope(payload, before="<TransInfo><CopMsgId>M1</CopMsgId></TransInfo>", after="<AddInfo/>", root="DxpMsg"):
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="http://www.chinaport.gov.cn/dxp" ver="1.0">{before}<Data>'
    return head.encode() + payload + f"</Data>{after}</{root}>".encode()


save("envelope", envelope(base64.b64encode(document)))
save("envelope-lines", envelope(b"\n" + base64.encodebytes(document)))
save("envelope-cut", envelope(base64.b64encode(document))[:-40])
save("envelope-odd", envelope(base64.b64encode(document).rstrip(b"=") + b"A" * (4 - len(document) % 3)))
save("envelope-other-characters", envelope(b"*" + base64.b64encode(document)))
save("envelope-padded-within", envelope(b"QQ==" * 3000))
save("envelope-child", envelope(base64.b64encode(document) + b"<x/>"))
save("envelope-twice", envelope(base64.b64encode(document), after="<Data>QQ==</Data>"))
save("envelope-none", envelope(b"", after="").replace(b"Data", b"Date"))
save("envelope-other", envelope(base64.b64encode(document), root="Other"))
save("envelope-namespace", envelope(base64.b64encode(document)).replace(b"/dxp", b"/other"))
save("envelope-entity", envelope(base64.b64encode(document), before="<TransInfo><CopMsgId>&x;</CopMsgId></TransInfo>"))
save("envelope-doctype", envelope(base64.b64encode(document)).replace(b"?>\n", b"?>\n<!DOCTYPE DxpMsg>", 1))
save("envelope-deep", envelope(base64.b64encode(document), before="<a>" * 200 + "</a>" * 200))
save("envelope-zip", envelope(base64.b64encode(one)))
