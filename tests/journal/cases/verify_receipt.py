#!/usr/bin/env python3
"""Verifies a receipt without anything of ours: verify_receipt.py RECEIPT JWKS BODY. Needs the package `cryptography`."""
import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sha256(data):
    return hashlib.sha256(data).digest()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def root_of(m, n, leaf, path):
    """Follows RFC 6962, section 2.1.1, from the top down."""
    if n == 1:
        assert not path
        return leaf
    k = 1
    while k * 2 < n:
        k *= 2
    node = bytes.fromhex(path[-1])
    if m < k:
        return sha256(b"\x01" + root_of(m, k, leaf, path[:-1]) + node)
    return sha256(b"\x01" + node + root_of(m - k, n - k, leaf, path[:-1]))


text = open(sys.argv[1], encoding="utf-8").read()
receipt = json.loads(text)
leaf, inclusion = receipt["leaf"], receipt["inclusion"]
assert canonical(leaf) in text, "the leaf stands in it as it was hashed"
header, payload, signature = receipt["head"].split(".")
header_read, head = json.loads(unb64(header)), json.loads(unb64(payload))
assert header_read["alg"] == "ES256" and header_read["typ"] == "portolan-head+jws"
jwk = next(key for key in json.load(open(sys.argv[2]))["keys"] if key["kid"] == header_read["kid"])
thumbprint = canonical({name: jwk[name] for name in ("crv", "kty", "x", "y")})
assert base64.urlsafe_b64encode(sha256(thumbprint.encode())).rstrip(b"=").decode() == jwk["kid"], "RFC 7638"
x, y = (int.from_bytes(unb64(jwk[name]), "big") for name in ("x", "y"))
raw = unb64(signature)
der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
key.verify(der, f"{header}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
hashed = sha256(b"\x00" + canonical(leaf).encode())
assert root_of(inclusion["leaf_index"], inclusion["tree_size"], hashed, inclusion["path"]).hex() == head["root"]
assert head["type"] == "portolan-head" and head["size"] == inclusion["tree_size"]
assert (leaf["epoch"], leaf["index"]) == (head["epoch"], head["first_index"] + inclusion["leaf_index"])
body = open(sys.argv[3], "rb").read()
assert (leaf["body"]["sha256"], leaf["body"]["bytes"]) == (sha256(body).hex(), len(body))
print("verified", leaf["exchange"])
