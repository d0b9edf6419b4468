"""NODES: several servers on one PostgreSQL behind a plain TCP balancer.

What works once works once on all of them; what was ended on one is ended on the others within a second; a node that cannot
reach the database never says what is not true any more; one after the other can be restarted under load.
"""

from __future__ import annotations

import copy
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable

from case import Outcome, Stage, facts, until
from http_client import Http, PatientHttp, Reply, Unanswered, bearer
from jose import Es256Key, claims_of
from mix import Load, ledgers
from people import ROOT, Admin, Application, Browser, House, Person, Refused, Tokens, Unavailable, Unexpected, expect, furnish, introspect, own_token, redeem, refresh, revoke
from proxy import Proxy
from server import Server
from smtp import Smtp
from stats import millis, percentile

#: Within which an effect must be there on every node.
EFFECT = 1.0
#: After which a node that lost the database must not go on by what it remembers.
LEASE = 0.5


@dataclass
class Cluster:
    """The nodes, each with its own way to the database, and the balancer in front of them."""

    nodes: list[Server]
    ways: list[Proxy]
    balancer: Proxy
    house: House
    smtp: Smtp
    https: list[Http] = field(default_factory=list)

    def other(self, number: int) -> Http:
        """A connection to a node."""
        return self.https[number % len(self.https)]


def _cluster(stage: Stage, size: int) -> Cluster:
    postgres = stage.need_postgres()
    postgres.database("nodes")
    balancer, smtp = Proxy(), Smtp()
    ways = [Proxy(postgres.port) for _ in range(size)]
    stage.closing += [balancer.close, smtp.close, *(way.close for way in ways)]
    issuer = f"http://localhost:{balancer.port}"
    # the administrator's token outlives the races
    options = {**smtp.options(), "tokens.access_token_lifetime": "24h", "login.free_attempts": "5", "login.first_delay": "20s", "shutdown_timeout": "10s"}
    nodes = [stage.server("node", postgres.through("nodes", way.port), issuer=issuer, options=options) for way in ways]
    # all at once: one of them makes the schema, the keys and the client
    with ThreadPoolExecutor(size) as pool:
        ended = [error for error in pool.map(_start, nodes) if error]
    if ended:
        # judged like a time: a machine that is busy with other things lets nobody connect within the deadline
        stage.outcome.within(60, 20, f"{len(ended)} of {size} nodes that started at once ended: {ended[0][-200:]}")
        for node in nodes:
            node.kill()
            node.start()
    balancer.tell("targets " + " ".join(str(node.port) for node in nodes))
    house = furnish(nodes[0], 4)
    return Cluster(nodes, ways, balancer, house, smtp, [PatientHttp(node.port, node.host) for node in nodes])


def _start(node: Server) -> str:
    """Starts a node; why it ended, empty if it did not."""
    try:
        node.start()
        return ""
    except RuntimeError as error:
        return str(error)


def run(stage: Stage) -> None:
    """Two processes, then three."""
    outcome = stage.outcome
    for size in (2, 3):
        cluster = _cluster(stage, size)
        each = (1000 if stage.long else 10) // (1 if size == 3 else 2)
        _races(cluster, outcome, each)
        _mails(cluster, outcome, each * 5)
        _lockout(cluster, outcome)
        _effects(cluster, outcome, 50 if stage.long else 4)
        if size == 3 or stage.long:
            for mode in ("cut", "refuse", "hang"):
                _away(cluster, outcome, mode)
            _rolling(cluster, outcome, 5 if stage.long else 1)
        for node in cluster.nodes:
            node.kill()


# What works once


class Race:
    """Requests that set out at the same moment, on connections of their own to all nodes in turn."""

    def __init__(self, cluster: Cluster, width: int) -> None:
        self.https = [cluster.nodes[at % len(cluster.nodes)].http() for at in range(width)]
        for http in self.https:
            http.get("/health/live")

    def run(self, ask: Callable[[Http, int], Reply]) -> list[Reply]:
        """All answers."""
        barrier, replies = threading.Barrier(len(self.https)), []

        def one(at: int) -> None:
            barrier.wait()
            replies.append(ask(self.https[at], at))

        threads = [threading.Thread(target=one, args=(at,)) for at in range(len(self.https))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return replies


def _races(cluster: Cluster, outcome: Outcome, each: int) -> None:
    house, race = cluster.house, Race(cluster, 2 * len(cluster.nodes))
    admin = Admin(cluster.nodes[0].http())
    key = Es256Key()
    expect(admin.send("PUT", "/iam/clients/asserting", {
        "name": "Asserting", "grantTypes": ["client_credentials"], "tokenEndpointAuthMethod": "private_key_jwt",
        "jwks": {"keys": [key.jwk]},
    }), 200, 201)
    person, app = house.people[0], house.app
    browser = Browser(cluster.nodes[0].http())
    browser.authorize(app, person)

    def only_one(what: str, replies: list[Reply], good: int, bad: tuple[int, ...]) -> None:
        won = [reply for reply in replies if reply.status == good]
        strange = [str(reply) for reply in replies if reply.status not in (good, 503, *bad)]
        # where the database was too slow for a moment, it is not known whether that one won
        least = 0 if any(reply.status == 503 for reply in replies) else 1
        outcome.that(least <= len(won) <= 1, f"{what}: {len(won)} of {len(replies)} succeeded: {[str(reply)[:120] for reply in replies]}")
        outcome.that(not strange, f"{what}: {strange[:2]}")

    def once() -> None:
        code, verifier = browser.authorize(app, person)
        only_one("a code", race.run(lambda http, at: redeem(http, app, code, verifier)), 200, (400,))

        code, verifier = browser.authorize(app, person)
        token = Tokens.of(expect(redeem(cluster.https[0], app, code, verifier), 200)).refresh
        replies = race.run(lambda http, at: refresh(http, app, token))
        successors = {reply.json().get("refresh_token") for reply in replies if reply.status != 503}
        if not successors:
            raise Unavailable
        outcome.that(len(successors) == 1 and None not in successors, f"a refresh token: {[str(reply)[:160] for reply in replies]}")
        after = refresh(cluster.other(1), app, successors.pop() or "")
        outcome.that(after.status == 200, f"the successor of a race: {after}")

        now = int(time.time())
        assertion = key.sign({
            "iss": "asserting", "sub": "asserting", "aud": cluster.nodes[0].issuer, "jti": str(uuid.uuid4()), "exp": now + 60, "iat": now,
        })
        fields = {
            "grant_type": "client_credentials", "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        only_one("a client assertion", race.run(lambda http, at: http.form("/oauth/token", fields)), 200, (400, 401))

        name, mail, headers = f"race:{uuid.uuid4().hex[:12]}", f"{uuid.uuid4()}@example.org", bearer(admin.token())
        made = race.run(lambda http, at: http.send_json("PUT", f"/resources/iam/roles/{name}", {"description": str(at)}, headers))
        only_one("a role that is made", made, 201, (200, 409))
        made = race.run(lambda http, at: http.send_json("PUT", f"/resources/iam/principals/{uuid.uuid4()}", {"email": mail}, headers))
        only_one("an email", made, 201, (409,))

        _suspension_race(cluster, race, admin, outcome)

    left_out = 0
    for _ in range(each):
        try:
            once()
        except (Unexpected, Refused, Unavailable) as error:
            # a stall of the machine that lasts longer than the server waits for the database
            if not isinstance(error, Unavailable) and "503" not in str(error):
                raise
            left_out += 1
            admin.send("POST", f"/iam/principals/{house.people[1].id}/unsuspend")
    outcome.that(left_out <= max(1, each // 4), f"{left_out} of {each} rounds of races were answered with 503")
    if left_out:
        outcome.numbers[f"rounds of races left out on {len(cluster.nodes)} nodes"] = left_out
    outcome.numbers[f"races on {len(cluster.nodes)} nodes"] = (each - left_out) * 6


def _suspension_race(cluster: Cluster, race: Race, admin: Admin, outcome: Outcome) -> None:
    """Codes that are redeemed and logins that arrive while their person is suspended: nothing of it comes back."""
    app, person = cluster.house.app, cluster.house.people[1]
    browser = Browser(cluster.nodes[0].http())
    codes = [browser.authorize(app, person) for _ in race.https[1:]]
    headers = bearer(admin.token())
    path = f"/resources/iam/principals/{person.id}"
    suspended: list[Reply] = []

    def act(http: Http, at: int) -> Reply:
        if at == 0:
            time.sleep(0.004)
            suspended.append(http.send_json("POST", f"{path}/suspend", {}, headers))
            return suspended[0]
        time.sleep(at * 0.002)
        return redeem(http, app, *codes[at - 1])

    replies = race.run(act)
    expect(suspended[0], 200, 204)
    expect(admin.send("POST", f"/iam/principals/{person.id}/unsuspend"), 200, 204)
    for reply in replies:
        document = reply.json()
        if reply.status == 200 and "refresh_token" in document:
            again = refresh(cluster.https[0], app, document["refresh_token"])
            outcome.that(again.status == 400, f"a grant of before a suspension goes on after it: {again}")
    outcome.that(not browser.is_signed_in(), "a session of before a suspension goes on after it")


def _mails(cluster: Cluster, outcome: Outcome, count: int) -> None:
    """Each mail is delivered by one node, once."""
    admin = Admin(Http(cluster.balancer.port, cluster.nodes[0].host))
    before = sum(cluster.smtp.accepted.values())
    ids = []
    for number in range(count):
        document = {"to": "somebody@example.org", "subject": f"Mail {number}", "body": {"plainText": "Hello"}}
        # every mail comes on a connection of its own, and so to another node
        admin.http.close()
        ids.append(expect(admin.send("POST", "/sendings/email", document), 202).json()["sendingId"])
    arrived = until(lambda: sum(cluster.smtp.accepted.values()) - before >= count, 60)
    outcome.that(arrived is not None, f"{count} mails were handed in, {sum(cluster.smtp.accepted.values()) - before} arrived within a minute")
    time.sleep(1.5)
    double = {name: times for name, times in cluster.smtp.accepted.items() if times > 1}
    outcome.that(not double, f"mails that were sent twice: {double}")
    outcome.numbers["mails"] = outcome.numbers.get("mails", 0) + len(ids)


def _lockout(cluster: Cluster, outcome: Outcome) -> None:
    """Guesses count on all nodes together."""
    person = cluster.house.people[2]
    race = Race(cluster, 12)
    browsers = [Browser(http) for http in race.https]
    pages = [browser.get("/login") for browser in browsers]
    fields = {"username": person.email, "password": "wrong", "sign_in": "true"}
    replies = race.run(lambda http, at: browsers[at].submit(pages[at], "/login", fields))
    checked = sum(reply.status == 422 for reply in replies)
    refused = [reply for reply in replies if reply.status == 429]
    outcome.that(checked <= 6, f"{checked} guesses at once were checked, 5 are free")
    outcome.that(len(refused) == len(replies) - checked, f"guesses: {[reply.status for reply in replies]}")
    outcome.that(all(reply.header("retry-after") for reply in refused), "429 without Retry-After")
    outcome.numbers["guesses checked of 12 at once"] = checked


# What holds elsewhere


def _effects(cluster: Cluster, outcome: Outcome, each: int) -> None:
    """Every kind of ending on one node, looked for on the others: how long it was not seen there."""
    admin = Admin(PatientHttp(cluster.nodes[0].port, cluster.nodes[0].host))
    for kind, prepare in (
        ("revoked access token", _revoked_access), ("revoked refresh token", _revoked_refresh), ("suspended person", _suspended),
        ("ended session", _ended), ("removed secret", _removed_secret), ("taken role", _taken_role), ("suspended client", _suspended_client),
        ("rotated key", _rotated_key),
    ):
        seen: list[float] = []
        began: list[float] = []
        for _ in range(1 if kind == "rotated key" else each):
            act, is_over = prepare(cluster, admin)
            # what was given has to arrive as well
            for http in cluster.https[1:]:
                after = until(lambda: not is_over(http), 5, every=0.005)
                began.append(5.0 if after is None else after)
            act()
            begun = time.monotonic()
            for http in cluster.https[1:]:
                after = until(lambda: is_over(http), 5, every=0.005)
                seen.append(5.0 if after is None else time.monotonic() - begun)
        slowest = max(seen)
        outcome.within(slowest, EFFECT, f"{kind}: seen on another node")
        outcome.within(max(began), EFFECT, f"{kind}: before it, what was given was seen on another node")
        if max(began) > 0.05:
            outcome.numbers[f"{kind}: what was given before it was seen on another node after, p100"] = millis(max(began))
        outcome.numbers[f"{kind}, {len(cluster.nodes)} nodes, p50/p100"] = f"{millis(percentile(seen, 0.5))} / {millis(slowest)}"


Prepared = tuple[Callable[[], Any], Callable[[Http], bool]]


def _inactive(app: Application, token: str) -> Callable[[Http], bool]:
    return lambda http: expect(introspect(http, app, token), 200).json()["active"] is False


def _grant(cluster: Cluster, person: Person) -> tuple[Tokens, Browser]:
    browser = Browser(cluster.nodes[0].http())
    code, verifier = browser.authorize(cluster.house.app, person)
    return Tokens.of(expect(redeem(cluster.https[0], cluster.house.app, code, verifier), 200)), browser


def _revoked_access(cluster: Cluster, admin: Admin) -> Prepared:
    app = cluster.house.app
    token = Tokens.of(expect(own_token(cluster.https[0], app), 200)).access
    return lambda: expect(revoke(cluster.https[0], app, token), 200), _inactive(app, token)


def _revoked_refresh(cluster: Cluster, admin: Admin) -> Prepared:
    app, (tokens, _) = cluster.house.app, _grant(cluster, cluster.house.people[0])
    return lambda: expect(revoke(cluster.https[0], app, tokens.refresh), 200), _inactive(app, tokens.access)


def _suspended(cluster: Cluster, admin: Admin) -> Prepared:
    person = cluster.house.people[1]
    expect(admin.send("POST", f"/iam/principals/{person.id}/unsuspend"), 200, 204)
    tokens, _ = _grant(cluster, person)
    return lambda: expect(admin.send("POST", f"/iam/principals/{person.id}/suspend"), 200, 204), _inactive(cluster.house.app, tokens.access)


def _ended(cluster: Cluster, admin: Admin) -> Prepared:
    person = cluster.house.people[0]
    _, browser = _grant(cluster, person)
    is_over = lambda http: not browser.copy(http).is_signed_in()
    return lambda: expect(admin.send("DELETE", f"/iam/principals/{person.id}/sessions"), 200, 204), is_over


def _removed_secret(cluster: Cluster, admin: Admin) -> Prepared:
    path = f"/iam/clients/{cluster.house.app.id}/secrets"
    made = expect(admin.send("POST", path, {"description": "short"}), 201).json()
    app = Application(cluster.house.app.id, made["secret"])
    return lambda: expect(admin.send("DELETE", f"{path}/{made['id']}"), 200, 204), lambda http: own_token(http, app).status == 401


def _with_role(cluster: Cluster, admin: Admin) -> str:
    """The token of a program that is an owner, for now."""
    if admin.send("GET", "/iam/clients/program").status == 404:
        PROGRAM[:] = [admin.make_application("program", redirectUris=[], grantTypes=["client_credentials"], scopes=[])]
    expect(admin.send("PUT", "/iam/clients/program/roles", {"roles": ["system:owner"]}), 200, 204)
    return Tokens.of(expect(own_token(cluster.https[0], PROGRAM[0]), 200)).access


PROGRAM: list[Application] = []


def _taken_role(cluster: Cluster, admin: Admin) -> Prepared:
    token = _with_role(cluster, admin)
    is_over = lambda http: http.get("/resources/iam/roles?limit=1", bearer(token)).status in (401, 403)
    return lambda: expect(admin.send("PUT", "/iam/clients/program/roles", {"roles": []}), 200, 204), is_over


def _suspended_client(cluster: Cluster, admin: Admin) -> Prepared:
    path = "/iam/clients/fleeting"
    if admin.send("GET", path).status == 404:
        cluster.house.admin().make_application("fleeting")
    expect(admin.send("POST", f"{path}/unsuspend"), 200, 204)
    secret = expect(admin.send("POST", f"{path}/secrets", {"description": "one"}), 201).json()
    app = Application("fleeting", secret["secret"])
    expect(own_token(cluster.https[0], app), 200)

    def suspend() -> None:
        expect(admin.send("POST", f"{path}/suspend"), 200, 204)
        expect(admin.send("DELETE", f"{path}/secrets/{secret['id']}"), 200, 204)

    return suspend, lambda http: own_token(http, app).status != 200


def _rotated_key(cluster: Cluster, admin: Admin) -> Prepared:
    before = {key["kid"] for key in cluster.https[0].get("/oauth/jwks").json()["keys"]}
    rotate = lambda: cluster.nodes[0].command("key", "rotate")
    return rotate, lambda http: {key["kid"] for key in http.get("/oauth/jwks").json()["keys"]} > before


# A node without the database


def _away(cluster: Cluster, outcome: Outcome, mode: str) -> None:
    """The last node loses its way to the database, meanwhile something is revoked elsewhere."""
    kind = f"{mode}, {len(cluster.nodes)} nodes"
    app, admin = cluster.house.app, Admin(cluster.nodes[0].http())
    expect(admin.send("POST", f"/iam/principals/{cluster.house.people[1].id}/unsuspend"), 200, 204)
    node, way = cluster.nodes[-1], cluster.ways[-1]
    http = node.http(timeout=6)
    tokens, _ = _grant(cluster, cluster.house.people[0])
    owner = _with_role(cluster, admin)
    for _ in range(20):
        expect(introspect(http, app, tokens.access), 200)
        expect(http.get("/resources/iam/roles?limit=1", bearer(owner)), 200)
    way.tell(mode)
    cut = time.monotonic()
    expect(revoke(cluster.https[0], app, tokens.refresh), 200)
    expect(admin.send("PUT", "/iam/clients/program/roles", {"roles": []}), 200, 204)
    ended = max(cut, time.monotonic())
    stale, slowest, strange = 0.0, 0.0, []
    while time.monotonic() - ended < 3:
        asked = time.monotonic()
        try:
            said = introspect(http, app, tokens.access)
            allowed = http.get("/resources/iam/roles?limit=1", bearer(owner))
        except Unanswered as error:
            strange.append(str(error))
            continue
        slowest = max(slowest, said.took, allowed.took)
        if (said.status == 200 and said.json()["active"]) or allowed.status == 200:
            stale = max(stale, asked - ended)
        for reply in (said, allowed):
            if reply.status not in (200, 403, 401, 503):
                strange.append(str(reply))
            elif reply.status == 503 and not reply.header("retry-after"):
                strange.append(f"no Retry-After: {reply}")
        begun = time.monotonic()
        live = node.http(timeout=5).get("/health/live")
        outcome.that(live.status == 200, f"{kind}: /health/live: {live}")
        outcome.within(time.monotonic() - begun, 0.3, f"{kind}: /health/live")
        time.sleep(0.02)
    way.tell("pass")
    healed = until(lambda: _is_told(http, app, tokens.access), 30)
    outcome.that(stale <= EFFECT, f"{kind}: what was ended elsewhere was still served {stale:.2f} s later")
    outcome.within(stale, LEASE, f"{kind}: what was ended elsewhere was still served")
    outcome.within(slowest, 1.5, f"{kind}: the slowest answer")
    outcome.that(not strange, f"{kind}: {strange[:2]}")
    outcome.that(healed is not None, f"{kind}: never healed")
    outcome.within(healed or 0, 5, f"{kind}: healed")
    outcome.numbers[f"database {kind}: slowest answer, healed"] = f"{millis(slowest)}, {'never' if healed is None else millis(healed)}"
    if healed is None:
        node.kill()
        node.start()


def _is_told(http: Http, app: Application, token: str) -> bool:
    try:
        reply = introspect(http, app, token)
    except Unanswered:
        return False
    return reply.status == 200 and reply.json()["active"] is False


# Restarts


def _rolling(cluster: Cluster, outcome: Outcome, rounds: int) -> None:
    """One node after the other is stopped and started, under load by way of the balancer."""
    front = copy.copy(cluster.nodes[0])
    front.port = cluster.balancer.port
    front.http = lambda timeout=15.0: PatientHttp(front.port, front.host, timeout)  # type: ignore[method-assign]
    house = House(front, cluster.house.app, [cluster.house.people[0], cluster.house.people[3]])
    books = ledgers(house)
    load = Load(house, books, admin=False).start()
    for _ in range(rounds):
        for node in cluster.nodes:
            time.sleep(1)
            rest = [other.port for other in cluster.nodes if other is not node]
            cluster.balancer.tell("targets " + " ".join(map(str, rest)))
            node.terminate()
            outcome.that(node.wait(15) == 0, "a node did not stop in good order")
            node.start()
            cluster.balancer.tell("targets " + " ".join(str(other.port) for other in cluster.nodes))
    time.sleep(1)
    load.stop()
    failed = {status: count for status, count in load.outcomes.items() if status != "ok"}
    outcome.that(not failed, f"rolling restart: {failed} {load.faults[:3]}")
    outcome.numbers["acts during a rolling restart"] = load.outcomes["ok"]
    known = {role["key"] for role in house.admin().everything("/iam/roles", "roles")}
    verdict = facts(House(front, house.app, cluster.house.people), books, known)
    verdict.faults = [fault for fault in verdict.faults if not fault.startswith("G: principals")]
    outcome.add(verdict)
