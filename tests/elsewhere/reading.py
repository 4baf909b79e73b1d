"""What the scripts share: a script reads each body in a folder and prints what it found.

Started as: SCRIPT FOLDER MAPPING. The first line printed is a JSON object with `not_read`, canonical paths that the script
leaves out with the reason; then one line for each body in the order of names: a JSON array with, for each record, an
object of canonical path → text. Members of lists are written `items[0].name`. A value that is not there is left out.
"""

import datetime
import json
import os
import sys
import zoneinfo

SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")


def main(read, not_read=None):
    folder = sys.argv[1]
    print(json.dumps({"not_read": not_read or {}}))
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            body = file.read()
        try:
            records = [{path: text for path, text in record.items() if text is not None} for record in read(body)]
        except Exception:
            print("body " + name, file=sys.stderr)
            raise
        print(json.dumps(records, ensure_ascii=False))


def flat(value, path=""):
    """A nested value as path → text."""
    if isinstance(value, dict):
        return {p: t for name, v in value.items() for p, t in flat(v, f"{path}.{name}" if path else name).items()}
    if isinstance(value, list):
        return {p: t for i, v in enumerate(value) for p, t in flat(v, f"{path}[{i}]").items()}
    if isinstance(value, bool):
        return {path: "true" if value else "false"}
    return {} if value is None else {path: str(value)}


def in_shanghai(digits):
    """`20260930120000` by the clocks of Shanghai as RFC 3339; before 1901 they were no whole minutes off."""
    local = datetime.datetime(*(int(digits[i:j]) for i, j in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))), tzinfo=SHANGHAI)
    minutes = round(local.utcoffset() / datetime.timedelta(minutes=1))
    return local.astimezone(datetime.timezone(datetime.timedelta(minutes=minutes))).isoformat()


def package_file(package, *path):
    """The path of a file in an installed package, which is not imported; a script here may have the same name."""
    from importlib.machinery import PathFinder

    here = os.path.dirname(os.path.abspath(__file__))
    found = PathFinder.find_spec(package, [place for place in sys.path if place != here])
    return os.path.join(found.submodule_search_locations[0], *path)


sys.stdout.reconfigure(encoding="utf-8")
