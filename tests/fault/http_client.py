"""A small HTTP/1.1 client that tells an answer from none: what was not answered may or may not have been done."""

from __future__ import annotations

import http.client
import json
import socket
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Mapping
from urllib.parse import quote, urlencode

Headers = Mapping[str, str]


#: A connection that nothing was sent on for so long is not used again: the server may be about to close it.
IDLE = 3.0


class Unanswered(Exception):
    """No complete answer came: the connection was refused, cut, or silent for too long. `sent_at` is when the request had
    been sent as a whole (of the monotonic clock), none if it was not."""

    def __init__(self, told: str, sent_at: float | None) -> None:
        super().__init__(told)
        self.sent_at = sent_at


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers with lower-case names, body, and how long it took in seconds."""

    status: int
    headers: dict[str, str]
    cookies: tuple[str, ...]
    body: bytes
    took: float

    def json(self) -> Any:
        """The body as JSON; an empty object where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    def header(self, name: str) -> str:
        """A header's value; empty if it is not there."""
        return self.headers.get(name.lower(), "")

    def __str__(self) -> str:
        return f"{self.status} {self.body[:300].decode('utf-8', 'replace')}"


class Http:
    """One connection to one address, kept while it lasts. For one thread at a time."""

    def __init__(self, port: int, host: str, timeout: float = 15.0) -> None:
        self.port, self.host, self.timeout = port, host, timeout
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def close(self) -> None:
        """Hangs up."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def request(self, method: str, path: str, body: bytes | None = None, headers: Headers | None = None) -> Reply:
        """Sends a request and reads the whole answer; raises `Unanswered` where there is none."""
        begun = time.monotonic()
        sent_at = None
        if begun - self._used > IDLE:
            self.close()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
                self._connection.connect()
                self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sent = {"Host": self.host, **(headers or {})}
            self._connection.request(method, path, body=body, headers=sent)
            sent_at = time.monotonic()
            answer = self._connection.getresponse()
            content = answer.read()
            self._used = time.monotonic()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unanswered(f"{method} {path.split('?')[0]}: {type(error).__name__} {error}", sent_at) from error
        cookies = tuple(answer.msg.get_all("set-cookie") or ())
        names = {name.lower(): value for name, value in answer.getheaders()}
        if answer.will_close:
            self.close()
        return Reply(answer.status, names, cookies, content, time.monotonic() - begun)

    def get(self, path: str, headers: Headers | None = None) -> Reply:
        """A GET."""
        return self.request("GET", path, headers=headers)

    def form(self, path: str, fields: Mapping[str, str], headers: Headers | None = None) -> Reply:
        """A POST of form fields."""
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.request("POST", path, urlencode(fields).encode(), sent)

    def send_json(self, method: str, path: str, document: Any, headers: Headers | None = None) -> Reply:
        """A request with a JSON body."""
        return self.request(method, path, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})})


class PatientHttp(Http):
    """Repeats a request that was refused, cut, or answered with 503, so many times."""

    def __init__(self, port: int, host: str, timeout: float = 15.0, repeats: int = 1, pause: float = 0.05) -> None:
        super().__init__(port, host, timeout)
        self.repeats, self.pause = repeats, pause

    def request(self, method: str, path: str, body: bytes | None = None, headers: Headers | None = None) -> Reply:
        for attempt in range(self.repeats + 1):
            try:
                reply = super().request(method, path, body, headers)
                if reply.status != 503 or attempt == self.repeats:
                    return reply
            except Unanswered:
                if attempt == self.repeats:
                    raise
            self.close()
            time.sleep(self.pause)
        raise AssertionError("not reached")


def basic(client_id: str, secret: str) -> dict[str, str]:
    """The header of `client_secret_basic` (RFC 6749 §2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return {"Authorization": "Basic " + b64encode(pair.encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    """The header of RFC 6750 §2.1."""
    return {"Authorization": f"Bearer {token}"}
