"""R18: a thousand slow clients: some send their head a byte a second, some their body, some read so slowly."""

from __future__ import annotations

import resource
import socket
import threading
import time

from case import Stage
from http_client import Unanswered
from people import ROOT, House, introspect, own_token
from stats import millis, percentile

CLIENTS = 1000
#: A p99 of less than this is not compared: on a busy machine it is the scheduler's.
GROUND = 0.03


def run(stage: Stage) -> None:
    """Measures the others before and meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3 * CLIENTS:
        stage.outcome.notes.append(f"only {hard} descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    house = stage.house("r18", people=1, options={"log.level": "warn"})
    seconds = 60 if stage.long else 5
    token = own_token(house.server.http(), ROOT).json()["access_token"]
    _measure(house, token, 1)
    before = _measure(house, token, seconds)
    memory = house.server.memory()
    stop, opened = threading.Event(), []
    slow = threading.Thread(target=_slow, args=(house, stop, opened), daemon=True)
    slow.start()
    while len(opened) < CLIENTS and slow.is_alive():
        time.sleep(0.1)
    during = _measure(house, token, seconds)
    grown = house.server.memory() - memory
    stop.set()
    slow.join()
    outcome = stage.outcome
    before99, during99 = percentile(before, 0.99), percentile(during, 0.99)
    outcome.that(len(opened) >= CLIENTS, f"only {len(opened)} slow clients could connect")
    outcome.within(during99, max(2 * before99, GROUND), f"p99 of the others, which was {millis(before99)} before")
    outcome.that(99.0 not in during, f"{during.count(99.0)} requests of others failed")
    outcome.numbers |= {
        "slow clients": len(opened), "others p50 before/during": f"{millis(percentile(before, 0.5))} / {millis(percentile(during, 0.5))}",
        "others p99 before/during": f"{millis(before99)} / {millis(during99)}", "memory for slow clients": f"{grown / 1024:.1f} MiB",
    }


def _measure(house: House, token: str, seconds: float) -> list[float]:
    http, took = house.server.http(timeout=10), []
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        begun = time.monotonic()
        try:
            for reply in (introspect(http, ROOT, token), http.get("/.well-known/openid-configuration"), own_token(http, house.app)):
                took.append(reply.took if reply.status == 200 else 99.0)
        except Unanswered:
            took.append(99.0)
        time.sleep(max(0.0, 0.01 - (time.monotonic() - begun)))
    return took


def _slow(house: House, stop: threading.Event, opened: list[int]) -> None:
    """Keeps the clients going: each does one step a second, and comes again when it was cut off."""
    host = house.server.host
    head = f"GET /.well-known/openid-configuration HTTP/1.1\r\nHost: {host}\r\nX-Slow: {'x' * 600}\r\n\r\n".encode()
    body = f"POST /oauth/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\n".encode()
    # two large answers, asked for at once and read a byte a second
    many = f"GET /resources/openapi.json HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * 2
    clients: dict[socket.socket, list[object]] = {}
    kinds = ("head", "body", "read")

    def connect(kind: str) -> None:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(5)
        client.connect(("127.0.0.1", house.server.port))
        client.setblocking(False)
        if kind == "body":
            client.send(body)
        elif kind == "read":
            client.send(many)
        clients[client] = [kind, 0]
        opened.append(1)

    try:
        for number in range(CLIENTS):
            connect(kinds[number % 3])
        while not stop.wait(1.0):
            for client, state in list(clients.items()):
                kind, at = str(state[0]), int(str(state[1]))
                try:
                    if kind == "head":
                        client.send(head[at % len(head):][:1])
                    elif kind == "body":
                        client.send(b"x")
                    elif not client.recv(1):
                        raise ConnectionResetError
                    state[1] = at + 1
                except BlockingIOError:
                    pass
                except OSError:
                    client.close()
                    del clients[client]
                    connect(kind)
    except OSError:
        pass
    finally:
        for client in clients:
            client.close()
