#!/usr/bin/env python3
"""Makes merkle.json: trees as RFC 6962, section 2.1, defines them, by its own recursion and nothing else.

The inputs and the roots below are those of the Certificate Transparency reference tests.
"""
import hashlib
import json

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def sha256(data):
    return hashlib.sha256(data).digest()


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(d):
    if not d:
        return sha256(b"")
    if len(d) == 1:
        return sha256(b"\x00" + d[0])
    k = split(len(d))
    return sha256(b"\x01" + root(d[:k]) + root(d[k:]))


def path(m, d):
    if len(d) <= 1:
        return []
    k = split(len(d))
    if m < k:
        return path(m, d[:k]) + [root(d[k:])]
    return path(m - k, d[k:]) + [root(d[:k])]


cases = []
for size in [0, 1, 2, 3, 4, 5, 6, 7, 8]:
    data = [bytes.fromhex(text) for text in INPUTS[:size]]
    if size:
        assert root(data).hex() == ROOTS[size - 1], size
    paths = [[node.hex() for node in path(m, data)] for m in range(size)]
    cases.append({"leaves": INPUTS[:size], "root": root(data).hex(), "paths": paths})
for size in [13, 31, 33, 64]:
    texts = [f"{size}.{n}".encode() for n in range(size)]
    paths = [[node.hex() for node in path(m, texts)] for m in range(size)]
    cases.append({"leaves": [text.hex() for text in texts], "root": root(texts).hex(), "paths": paths})
with open("merkle.json", "w") as out:
    json.dump(cases, out, indent=None, separators=(",", ":"))
    out.write("\n")
