"""The canonical records themselves, one JSON object a line, with Python's json."""

import json

from reading import flat, main


def members(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), names
    return dict(pairs)


def number(text):
    raise AssertionError(f"a fraction or exponent is no canonical number: {text}")


def read(body):
    for line in body.decode("utf-8").split("\n"):
        if line:
            yield flat(json.loads(line, object_pairs_hook=members, parse_float=number))


main(read)
