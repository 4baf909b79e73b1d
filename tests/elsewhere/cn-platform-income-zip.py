"""The income table in a zip archive, read with Python's zipfile."""

import importlib
import io
import zipfile

from reading import main

table = importlib.import_module("cn-platform-income")


def read(body):
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        (member,) = archive.infolist()
        # Without the mark for UTF-8, zipfile takes a name for code page 437.
        assert member.filename.encode("cp437").decode("gb18030") == "收入信息.csv", member.filename
        yield from table.read(archive.read(member))


main(read)
