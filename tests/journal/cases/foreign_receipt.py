#!/usr/bin/env python3
"""Makes foreign/: a receipt, its keys and its body, by nothing of ours. Needs the package `cryptography`.

Keys are random, so that each run makes another receipt; the one that is kept is as good as any.
"""
import base64
import hashlib
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sha256(data):
    return hashlib.sha256(data).digest()


def canonical(value):
    # RFC 8785, for text, whole numbers and names in ASCII.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(d):
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


key = ec.generate_private_key(ec.SECP256R1())
numbers = key.public_key().public_numbers()
jwk = {"crv": "P-256", "kty": "EC", "x": b64(numbers.x.to_bytes(32, "big")), "y": b64(numbers.y.to_bytes(32, "big"))}
kid = b64(sha256(canonical(jwk).encode()))
published = dict(jwk, use="sig", alg="ES256", kid=kid,
                 portolan_valid_from="2026-01-01T00:00:00.000Z", portolan_valid_to="2026-12-31T00:00:00.000Z")
stranger = {"kty": "OKP", "crv": "Ed25519", "kid": "another kind of key", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}

body = "<报文>收入总额 1234.50</报文>\n".encode("gb18030")
leaves = []
for index in range(40, 46):
    leaves.append({
        "version": 1,
        "exchange": f"{index:032x}",
        "epoch": 3,
        "index": index,
        "partner": "bank",
        "flow": "payments",
        "message_id": "批次 2026\t\u0001\u007f\"\\/€😀",
        "idempotency_key_sha256": sha256(b"a key").hex(),
        "received_at": "2026-07-01T08:30:00.123Z",
        "body": {"sha256": sha256(body).hex(), "bytes": len(body)},
        "decoded_sha256": sha256(body).hex(),
        "canonical_sha256": sha256(b"{}\n").hex(),
        "certificate_sha256": sha256(b"a certificate").hex(),
        "outcome": "in-part",
        "counts": {"records": 9007199254740991, "accepted": 7, "refused": 9007199254740984, "warnings": 0, "repeated": 2},
        "pins": {"mapping": sha256(b"m").hex(), "schema": sha256(b"s").hex(), "flow": sha256(b"f").hex()},
        "nonce": f"{index * 77777:032x}",
    })
data = [canonical(leaf).encode() for leaf in leaves]
head = {"type": "portolan-head", "epoch": 3, "batch": 12, "first_index": 40, "size": len(data), "root": root(data).hex(),
        "previous": sha256(b"the head before").hex(), "signed_at": "2026-07-01T08:30:00.200Z"}
signed = b64(json.dumps({"alg": "ES256", "kid": kid, "typ": "portolan-head+jws"}).encode()) + "." + b64(json.dumps(head).encode())
r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
jws = signed + "." + b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
place = 4
receipt = {"type": "portolan-receipt", "version": 1, "leaf": leaves[place],
           "inclusion": {"leaf_index": place, "tree_size": len(data), "path": [node.hex() for node in path(place, data)]},
           "head": jws}
with open("foreign/receipt.json", "w") as out:
    # Its members in another order and indented: what counts is what it says.
    json.dump(receipt, out, indent=1)
with open("foreign/jwks.json", "w") as out:
    json.dump({"keys": [stranger, published]}, out, indent=1)
with open("foreign/body", "wb") as out:
    out.write(body)
