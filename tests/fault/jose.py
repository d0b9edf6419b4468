"""JWTs with the standard library alone: RS256 and ES256 are verified (RFC 7515, RFC 7518), ES256 is signed."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

# P-256 (FIPS 186-4 D.1.2.3)
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
#: DigestInfo of SHA-256 (RFC 8017 §9.2)
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")

Point = tuple[int, int, int]
INFINITY: Point = (1, 1, 0)


def decode(text: str) -> bytes:
    """base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def header_of(token: str) -> dict[str, Any]:
    """A token's header, unverified."""
    return json.loads(decode(token.split(".")[0]))


def claims_of(token: str) -> dict[str, Any]:
    """A token's claims, unverified."""
    return json.loads(decode(token.split(".")[1]))


def verify(token: str, jwks: dict[str, Any]) -> bool:
    """Whether a key of this set has signed the token."""
    head, body, signature = token.split(".")
    header = json.loads(decode(head))
    key = next((key for key in jwks["keys"] if key["kid"] == header.get("kid")), None)
    if key is None or key.get("alg") != header.get("alg"):
        return False
    digest = hashlib.sha256(f"{head}.{body}".encode()).digest()
    if key["kty"] == "RSA":
        return _rsa(key, decode(signature), digest)
    return _ecdsa((_int(key["x"]), _int(key["y"])), decode(signature), digest)


def _int(text: str) -> int:
    return int.from_bytes(decode(text), "big")


def _rsa(key: dict[str, str], signature: bytes, digest: bytes) -> bool:
    modulus = _int(key["n"])
    size = (modulus.bit_length() + 7) // 8
    message = pow(int.from_bytes(signature, "big"), _int(key["e"]), modulus).to_bytes(size, "big")
    padding = b"\xff" * (size - 3 - len(SHA256) - len(digest))
    return message == b"\x00\x01" + padding + b"\x00" + SHA256 + digest


def _double(a: Point) -> Point:
    x, y, z = a
    if not z:
        return a
    delta, gamma = z * z % P, y * y % P
    beta = x * gamma % P
    alpha = 3 * (x - delta) * (x + delta) % P
    x3 = (alpha * alpha - 8 * beta) % P
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P, 2 * y * z % P


def _add(a: Point, b: Point) -> Point:
    if not a[2]:
        return b
    if not b[2]:
        return a
    z1, z2 = a[2] * a[2] % P, b[2] * b[2] % P
    u1, u2 = a[0] * z2 % P, b[0] * z1 % P
    s1, s2 = a[1] * b[2] * z2 % P, b[1] * a[2] * z1 % P
    if u1 == u2:
        return _double(a) if s1 == s2 else INFINITY
    h, r = u2 - u1, s2 - s1
    h2 = h * h % P
    h3, v = h * h2 % P, u1 * h2 % P
    x3 = (r * r - h3 - 2 * v) % P
    return x3, (r * (v - x3) - s1 * h3) % P, a[2] * b[2] * h % P


def _combine(u: int, a: tuple[int, int], v: int, b: tuple[int, int]) -> tuple[int, int] | None:
    """u·a + v·b in affine coordinates; none for infinity."""
    first, second = (*a, 1), (*b, 1)
    both = _add(first, second)
    total = INFINITY
    for bit in range(max(u.bit_length(), v.bit_length()) - 1, -1, -1):
        total = _double(total)
        if u >> bit & 1:
            total = _add(total, both if v >> bit & 1 else first)
        elif v >> bit & 1:
            total = _add(total, second)
    if not total[2]:
        return None
    inverse = pow(total[2], -1, P)
    return total[0] * inverse * inverse % P, total[1] * pow(inverse, 3, P) % P


def _ecdsa(key: tuple[int, int], signature: bytes, digest: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not 0 < r < N or not 0 < s < N:
        return False
    w = pow(s, -1, N)
    point = _combine(int.from_bytes(digest, "big") * w % N, G, r * w % N, key)
    return point is not None and point[0] % N == r


class Es256Key:
    """A key of a client that authenticates with `private_key_jwt`. For tests: it does nothing against side channels."""

    def __init__(self) -> None:
        self._secret = secrets.randbelow(N - 1) + 1
        point = _combine(self._secret, G, 0, G)
        assert point
        x, y = (encode(part.to_bytes(32, "big")) for part in point)
        self.jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "fault", "alg": "ES256", "use": "sig"}

    def sign(self, claims: dict[str, Any]) -> str:
        """A JWT with these claims."""
        parts = ({"alg": "ES256", "kid": "fault", "typ": "JWT"}, claims)
        text = ".".join(encode(json.dumps(part).encode()) for part in parts)
        digest = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        nonce = secrets.randbelow(N - 1) + 1
        point = _combine(nonce, G, 0, G)
        assert point
        r = point[0] % N
        s = pow(nonce, -1, N) * (digest + r * self._secret) % N
        return f"{text}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
