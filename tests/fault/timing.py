"""TIMING: how long answers take tells nobody who has an account.

Requests that differ only in what they must not tell (whether an account exists, is suspended, has a password; whether a
client exists; whether an address is taken) are sent in turn, and the medians of their times are compared. Every account is
tried a few times only, and every request comes from another address, so that throttling has no part in it.
"""

from __future__ import annotations

import html
import itertools
import random
import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable
from urllib.parse import urlencode

from case import Stage
from http_client import Http, Reply, Unanswered, basic, bearer
from people import Browser, House, Tokens, expect, redeem
from server import Server
from smtp import Smtp
from stats import median, percentile

#: By how much medians may differ, in seconds.
APART = 0.005
#: How often each account is tried in one measurement.
TRIES = 8
#: How often it is measured until differences are believed.
ATTEMPTS = 3
#: Differences that chance alone makes once in ten thousand times are believed: by the sign test, so many standard deviations.
NO_CHANCE = 3.9

REAL = {
    "passwords.argon2_memory_kib": "19456", "passwords.argon2_iterations": "2", "passwords.answer_floor": "250ms",
    "login.free_attempts": "500", "login.free_attempts_address": "30", "trusted_proxies": "127.0.0.1", "log.level": "warn",
}

#: Sends the request with this number from this address.
Ask = Callable[[Http, int, dict[str, str]], Reply]


@dataclass
class Face:
    """Requests that must not be told apart, by their kinds, of which the first one knows nobody; the answer they all get."""

    name: str
    kinds: dict[str, Ask]
    status: int
    samples: int
    #: how many are under way at once
    width: int = 1


def run(stage: Stage) -> None:
    """A thousand samples of each kind in the long form, on both databases."""
    databases: list[str | None] = [None]
    if stage.long and stage.postgres:
        databases.append(stage.postgres.database("timing"))
    for database in databases:
        _on(stage, database)


def _on(stage: Stage, database: str | None) -> None:
    smtp = Smtp()
    stage.closing.append(smtp.close)
    house = stage.house("timing", 4, database, options={**smtp.options(), **REAL})
    where = "PostgreSQL" if database else "SQLite"
    slow, quick = (1000, 1000) if stage.long else (60, 150)
    accounts = _accounts(house, -(-slow // TRIES))
    page = _login_page(house)
    faces = [
        Face("sign-in", _by(accounts, page), 422, slow, 6),
        Face("sign-in of the appserver", _by(accounts, _appserver), 401, slow, 6),
        Face("token request", _clients(house), 401, quick),
        Face("change of email", _addresses(house), 200, quick),
        Face("proof of an email", _proofs(house, accounts["suspended"]), 422, quick),
    ]
    for face in faces:
        _compare(stage, house.server, face, where)
    # the floor hides much: without it, the work is the same all the same
    house.server.terminate()
    house.server.wait(30)
    house.server.options["passwords.answer_floor"] = "0s"
    house.server.start()
    _compare(stage, house.server, Face("sign-in without answer_floor", _by(accounts, _login_page(house)), 422, slow), where)
    house.server.kill()


def _compare(stage: Stage, server: Server, face: Face, where: str) -> None:
    outcome, first = stage.outcome, next(iter(face.kinds))
    for attempt in range(ATTEMPTS):
        rounds = _measure(server, face)
        took = {kind: [times[kind] for times in rounds] for kind in face.kinds}
        apart = {kind: median(times) - median(took[first]) for kind, times in took.items()}
        told_apart = [
            kind for kind, seconds in apart.items() if abs(seconds) > APART and abs(_sign([times[kind] - times[first] for times in rounds])) > NO_CHANCE
        ]
        if max(map(abs, apart.values())) <= APART:
            break
        outcome.notes.append(f"{where}, {face.name}, attempt {attempt + 1}: medians are apart by {_table(apart)}; {'no chance' if told_apart else 'by chance'}")
        if not told_apart and not stage.long:
            break
    told = "; ".join(
        f"{kind} {median(times) * 1000:.2f} / {sum(times) / len(times) * 1000:.2f} / {percentile(times, 0.95) * 1000:.2f}"
        for kind, times in took.items()
    )
    outcome.that(not told_apart, f"{where}, {face.name}: medians are apart by {_table(apart)}, at most 5 ms are allowed")
    outcome.numbers[f"{where}, {face.name}, {len(rounds)} of each, ms p50 / mean / p95"] = told


def _table(apart: dict[str, float]) -> str:
    return ", ".join(f"{kind} {seconds * 1000:+.2f} ms" for kind, seconds in apart.items())


def _sign(differences: list[float]) -> float:
    """The sign test: by how many standard deviations more of them are above 0 than chance would have it."""
    return sum((difference > 0) - (difference < 0) for difference in differences) / len(differences) ** 0.5


def _measure(server: Server, face: Face) -> list[dict[str, float]]:
    """The times of each round, in which each kind is asked once, in a random order."""
    rounds: list[dict[str, float]] = []
    numbers, strange, busy = itertools.count(), list[str](), list[str]()
    first = server.http(timeout=60)
    # what comes first is slower
    for ask in face.kinds.values():
        ask(first, 0, _from())
    first.close()

    def work() -> None:
        http = server.http(timeout=60)
        http.get("/health/live")
        while (number := next(numbers)) < face.samples and not strange:
            times = {}
            for kind in random.sample(list(face.kinds), len(face.kinds)):
                try:
                    reply = face.kinds[kind](http, number, _from())
                except Unanswered:
                    busy.append(kind)
                    break
                times[kind] = reply.took
                if reply.status == 503:
                    busy.append(kind)
                    break
                if reply.status != face.status:
                    strange.append(f"{face.name}, {kind}: expected {face.status}, got {reply}")
            else:
                rounds.append(times)
        http.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(face.width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(busy) > face.samples // 4:
        strange.append(f"{face.name}: {len(busy)} requests were refused with 503, or not answered")
    if strange:
        raise RuntimeError(strange[0])
    return rounds


_ADDRESSES = itertools.count(1)


def _from() -> dict[str, str]:
    """Another address each time."""
    number = next(_ADDRESSES)
    return {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}


# Who signs in


def _accounts(house: House, count: int) -> dict[str, list[tuple[str, str]]]:
    """People of each kind: id and email."""

    def make(kind: str) -> tuple[str, str]:
        identity = str(uuid.uuid4())
        email, path = f"{identity}@example.org", f"/iam/principals/{identity}"
        if kind == "unknown":
            return identity, email
        admin = house.admin()
        expect(admin.send("PUT", path, {"email": email, "name": "Somebody"}), 201)
        if kind != "without a password":
            expect(admin.send("POST", f"{path}/password/reset"), 200)
        if kind == "suspended":
            expect(admin.send("POST", f"{path}/suspend"), 200, 204)
        admin.http.close()
        return identity, email

    with ThreadPoolExecutor(4) as pool:
        return {kind: list(pool.map(make, [kind] * count)) for kind in ("unknown", "known", "suspended", "without a password")}


def _by(accounts: dict[str, list[tuple[str, str]]], sign_in: Callable[[Http, str, dict[str, str]], Reply]) -> dict[str, Ask]:
    """A wrong password for each kind of account."""

    def ask(people: list[tuple[str, str]]) -> Ask:
        return lambda http, number, address: sign_in(http, people[number % len(people)][1], address)

    return {kind: ask(people) for kind, people in accounts.items()}


def _login_page(house: House) -> Callable[[Http, str, dict[str, str]], Reply]:
    browser = Browser(house.server.http())
    page = expect(browser.get("/login"), 200)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.body.decode())
    hidden = {"csrf_token": html.unescape(token[1]) if token else "", "request": "", "sign_in": "true"}

    def sign_in(http: Http, email: str, address: dict[str, str]) -> Reply:
        return http.form("/login", {**hidden, "username": email, "password": "not this one 42"}, {**browser.headers(), **address})

    return sign_in


def _appserver(http: Http, email: str, address: dict[str, str]) -> Reply:
    text = f"Module=RoleBasedPerson;User={email};Password=not this one 42"
    return http.send_json("POST", "/AppServer/auth/apphost", {"authString": text}, address)


# Clients


def _clients(house: House) -> dict[str, Ask]:
    admin, made = house.admin(), {kind: [f"{kind}-{number}" for number in range(8)] for kind in ("known", "suspended")}
    for kind, names in made.items():
        for name in names:
            admin.make_application(name)
            if kind == "suspended":
                expect(admin.send("POST", f"/iam/clients/{name}/suspend"), 200, 204)
    made["unknown"] = [f"nobody-{number}" for number in range(8)]
    secret = "x" * len(house.app.secret)

    def ask(names: list[str]) -> Ask:
        grant = urlencode({"grant_type": "client_credentials"}).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return lambda http, number, address: http.request("POST", "/oauth/token", grant, {**form, **basic(names[number % 8], secret), **address})

    return {kind: ask(made[kind]) for kind in ("unknown", "known", "suspended")}


# Addresses


def _tokens(house: House) -> list[str]:
    """Access tokens of everybody in the house, of an application that is trusted to prove addresses itself."""
    admin = house.admin()
    app = admin.make_application("mailer", scopes=["openid", "me/email:write"])
    expect(admin.send("PUT", "/iam/roles/house:mailer", {"acl": {"entries": [{"resource": "me/email", "permission": "verify"}]}}), 200, 201)
    expect(admin.send("PUT", "/iam/clients/mailer/roles", {"roles": ["house:mailer"]}), 200, 204)
    tokens = []
    for person in house.people:
        http = house.server.http()
        code, verifier = Browser(http).authorize(app, person, "openid me/email:write")
        tokens.append(Tokens.of(expect(redeem(http, app, code, verifier), 200)).access)
    return tokens


def _change(http: Http, token: str, email: str, address: dict[str, str]) -> Reply:
    return http.send_json("POST", "/resources/me/email/change", {"email": email}, {**bearer(token), **address})


def _addresses(house: House) -> dict[str, Ask]:
    token, taken = _tokens(house)[0], house.people[1].email
    free = lambda: f"{uuid.uuid4().hex[:7]}@example.org"
    assert len(free()) == len(taken)
    return {
        "free": lambda http, number, address: _change(http, token, free(), address),
        "taken": lambda http, number, address: _change(http, token, taken, address),
    }


def _proofs(house: House, suspended: list[tuple[str, str]]) -> dict[str, Ask]:
    http, tokens = house.server.http(), _tokens(house)
    # person 2 waits for a proof, person 3 for none; the secret is that of person 1
    secret = expect(_change(http, tokens[1], "one@example.org", _from()), 200).json()["secret"]
    expect(_change(http, tokens[2], "two@example.org", _from()), 200)

    def ask(whose: Callable[[int], str]) -> Ask:
        def prove(http: Http, number: int, address: dict[str, str]) -> Reply:
            return http.send_json("POST", "/resources/me/email/validate", {"identityId": whose(number), "secret": secret}, address)

        return prove

    return {
        "unknown": ask(lambda number: str(uuid.uuid4())),
        "known, none waits": ask(lambda number: house.people[3].id),
        "known, one waits": ask(lambda number: house.people[2].id),
        "suspended": ask(lambda number: suspended[number % len(suspended)][0]),
    }
