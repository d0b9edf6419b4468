"""What was acknowledged, and whether it still holds: the facts A to G.

Everything that one worker of the load did lies in one `Ledger`, so that nobody else's doing is in between. Where no
answer came, both outcomes are right, but only these two.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from enum import Enum

from http_client import Http
from people import Admin, Application, Browser, Person, introspect, own_token, redeem, refresh


class State(Enum):
    """What is known of something that can end."""

    ALIVE = "alive"
    DEAD = "dead"
    UNSURE = "unsure"


@dataclass
class Chain:
    """A grant with its refresh tokens, of which the last one that was received is kept, and the one before."""

    app: Application
    code: str
    verifier: str
    refresh: str
    access: str
    before: str = ""
    state: State = State.ALIVE
    #: dead by a fact that was acknowledged
    reason: str = ""
    born: float = field(default_factory=time.monotonic)


@dataclass
class SignedIn:
    """A browser's session."""

    browser: Browser
    state: State = State.ALIVE
    chains: list[Chain] = field(default_factory=list)


@dataclass
class Write:
    """An administrative write that was answered, with the request id that its event bears."""

    action: str
    target: str
    request_id: str


@dataclass
class Ledger:
    """The facts of one worker."""

    person: Person
    sessions: list[SignedIn] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    #: access tokens that were revoked one by one
    revoked: list[tuple[Application, str]] = field(default_factory=list)
    #: a role's key, and the descriptions that it may have; None: it may be absent
    roles: dict[str, set[str | None]] = field(default_factory=dict)
    #: secrets of applications and whether they work
    secrets: list[tuple[Application, State]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    #: what was asked for at all, answered or not
    asked_principals: set[str] = field(default_factory=set)
    asked_codes: int = 0
    asked_logins: int = 0
    #: whether the person may act: DEAD while suspended
    may_act: State = State.ALIVE
    #: seconds for which the load uses a grant
    lifetime: float = 1e9

    def copy(self) -> Ledger:
        """What is known now, to be checked elsewhere: what checking finds out there is not noted here."""
        sessions = [SignedIn(Browser(session.browser.http, dict(session.browser.cookies)), session.state) for session in self.sessions]
        return replace(
            self, sessions=sessions, chains=[replace(chain) for chain in self.chains], revoked=list(self.revoked),
            roles=dict(self.roles), secrets=list(self.secrets), writes=list(self.writes), asked_principals=set(self.asked_principals),
        )

    def end_everything(self, state: State, reason: str) -> None:
        """Sessions and grants of the person end (or may have ended)."""
        for session in self.sessions:
            if session.state is not State.DEAD:
                session.state = state
        for chain in self.chains:
            if chain.state is not State.DEAD:
                chain.state, chain.reason = state, reason


@dataclass
class Verdict:
    """What checking found."""

    checked: int = 0
    faults: list[str] = field(default_factory=list)

    def that(self, holds: bool, fact: str, told: str) -> bool:
        """Notes a fact that was checked."""
        self.checked += 1
        if not holds:
            self.faults.append(f"{fact}: {told}")
        return holds


def check(ledger: Ledger, http: Http, verdict: Verdict, sample: int = 40) -> None:
    """Checks A, B, C, D and F of one worker's facts over HTTP, at most `sample` of each kind, the youngest surely."""
    for chain in _some(ledger.chains, sample):
        _check_chain(chain, http, verdict)
    for app, token in _some(ledger.revoked, sample):
        reply = introspect(http, app, token)
        verdict.that(reply.status == 200 and reply.json().get("active") is False, "C", f"a revoked access token: {reply}")
    for session in _some(ledger.sessions, sample):
        if session.state is not State.UNSURE:
            signed_in = session.browser.copy(http).is_signed_in()
            fact = "A" if session.state is State.ALIVE else "C"
            verdict.that(signed_in == (session.state is State.ALIVE), fact, f"a session that is {session.state.value}: signed in {signed_in}")
    for at, (app, state) in list(enumerate(ledger.secrets))[-sample:]:
        reply = own_token(http, app)
        if state is State.UNSURE:
            verdict.that(reply.status in (200, 401), "C", f"a secret in doubt: {reply}")
            ledger.secrets[at] = (app, State.ALIVE if reply.status == 200 else State.DEAD)
        else:
            expected = 200 if state is State.ALIVE else 401
            verdict.that(reply.status == expected, "C" if expected == 401 else "D", f"a secret that is {state.value}: {reply}")
    # B comes last: a code that is presented again ends its grant, which is how it should be
    for chain in _some([chain for chain in ledger.chains if chain.state is State.DEAD], 5) + _some(ledger.chains, 2):
        reply = redeem(http, chain.app, chain.code, chain.verifier)
        verdict.that(reply.status == 400, "B", f"a used code: {reply}")
        if chain.state is not State.DEAD:
            chain.state, chain.reason = State.DEAD, "its code was presented again"
            _check_chain(chain, http, verdict)


def check_suspension(ledger: Ledger, admin: Admin, verdict: Verdict) -> None:
    """Checks C of a person who was suspended, and lets them act again."""
    if ledger.may_act is State.ALIVE:
        return
    if ledger.may_act is State.DEAD:
        reply = Browser(admin.http).sign_in(ledger.person)
        verdict.that(reply.status == 422, "C", f"somebody who is suspended signs in: {reply}")
    reply = admin.send("POST", f"/iam/principals/{ledger.person.id}/unsuspend")
    if verdict.that(reply.status in (200, 204), "D", f"unsuspend: {reply}"):
        ledger.may_act = State.ALIVE


def _check_chain(chain: Chain, http: Http, verdict: Verdict) -> None:
    reply = refresh(http, chain.app, chain.refresh)
    if chain.state is State.UNSURE:
        verdict.that(reply.status in (200, 400), "A", f"a grant in doubt: {reply}")
        chain.state = State.ALIVE if reply.status == 200 else State.DEAD
    elif chain.state is State.DEAD:
        verdict.that(reply.status == 400, "C", f"a grant that ended ({chain.reason}) goes on: {reply}")
    elif verdict.that(reply.status == 200, "A", f"a refresh token that was issued: {reply}"):
        again = refresh(http, chain.app, chain.refresh)
        successor, repeated = reply.json()["refresh_token"], again.json().get("refresh_token")
        verdict.that(successor == repeated, "F", f"a token presented again has another successor: {again}")
    if reply.status == 200:
        document = reply.json()
        chain.before, chain.refresh, chain.access = chain.refresh, document["refresh_token"], document["access_token"]
        active = introspect(http, chain.app, chain.access)
        verdict.that(active.json().get("active") is True, "A", f"the access token of a living grant: {active}")
    elif reply.status == 400:
        active = introspect(http, chain.app, chain.access)
        verdict.that(active.json().get("active") is False, "C", f"an access token of a grant that ended: {active}")


def check_administration(ledgers: list[Ledger], admin: Admin, known_roles: set[str], known_principals: set[str], verdict: Verdict) -> None:
    """Checks D, E and G of all workers together: roles, people and events are those that were asked for."""
    there = {role["key"]: role.get("description") for role in admin.everything("/iam/roles", "roles")}
    asked: set[str] = set()
    for ledger in ledgers:
        for key, allowed in ledger.roles.items():
            asked.add(key)
            verdict.that(there.get(key) in allowed, "D", f"role {key} is {there.get(key)!r}, expected one of {allowed}")
            ledger.roles[key] = {there.get(key)}
    strange = {key for key in there if key not in asked and not key.startswith("system:")} - known_roles
    verdict.that(not strange, "G", f"roles that nobody asked for: {sorted(strange)[:5]}")
    people = {principal["id"] for principal in admin.everything("/iam/principals", "principals")}
    wanted = known_principals.union(*(ledger.asked_principals for ledger in ledgers))
    verdict.that(people <= wanted, "G", f"principals that nobody asked for: {sorted(people - wanted)[:5]}")
    events = {(event["requestId"], event["action"]) for event in admin.everything("/iam/audit?outcome=succeeded", "events")}
    for ledger in ledgers:
        for write in ledger.writes:
            found = (write.request_id, write.action) in events
            verdict.that(found, "E", f"no event {write.action} of {write.target} in request {write.request_id}")
            if write.action in ("principal.create",):
                verdict.that(write.target in people, "D", f"principal {write.target} is not there")


def _some(items: list, most: int) -> list:
    """The youngest half and a sample of the others."""
    if len(items) <= most:
        return list(items)
    half = most // 2
    return random.sample(items[:-half], most - half) + items[-half:] if half else random.sample(items, most)
