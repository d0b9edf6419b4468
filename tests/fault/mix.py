"""The load: workers that do what clients, people and administrators do, in a mix, and note it in their ledgers."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from typing import Callable

from http_client import Http, Reply, Unanswered
from ledger import Chain, Ledger, SignedIn, State, Write
from people import (
    SCOPE, Admin, Application, Browser, House, Person, Refused, Tokens, Unavailable, Unexpected, introspect, own_token, redeem, refresh, revoke,
)


class Refusal(Exception):
    """The server said that it cannot now (429, 503): nothing of it was done."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


def answered(reply: Reply, *statuses: int) -> Reply:
    """The answer if it is one of these, `Refusal` for a 429 or 503, `Unexpected` for all else."""
    if reply.status in statuses:
        return reply
    if reply.status in (429, 503):
        raise Refusal(reply)
    raise Unexpected(f"expected {statuses}, got {reply}")


class Worker(threading.Thread):
    """One of the load's threads: one person, one connection, one ledger."""

    def __init__(self, house: House, person: Person, ledger: Ledger, stop: threading.Event, pause: float, admin: bool) -> None:
        super().__init__(daemon=True)
        self.house, self.person, self.ledger, self.stop, self.pause = house, person, ledger, stop, pause
        self.http = house.server.http()
        self.admin = Admin(self.http)
        self.random = random.Random()
        self.outcomes: Counter[str] = Counter()
        self.times: list[tuple[float, float]] = []
        self.faults: list[str] = []
        #: when requests had been sent that were never answered
        self.unanswered_at: list[float] = []
        acts: list[tuple[int, Callable[[], None]]] = [
            (4, self.login), (10, self.code), (30, self.refresh), (4, self.give_up), (4, self.give_up_access),
            (16, self.look), (8, self.service), (3, self.log_out),
        ]
        if admin:
            acts += [(8, self.role), (2, self.principal), (2, self.suspend), (3, self.secret)]
        self.acts = [act for weight, act in acts for _ in range(weight)]

    def run(self) -> None:
        while not self.stop.is_set():
            act = self.random.choice(self.acts) if self.ledger.may_act is State.ALIVE else self.unsuspend
            begun = time.monotonic()
            try:
                act()
                self.outcomes["ok"] += 1
                self.times.append((begun, time.monotonic() - begun))
            except Unanswered as error:
                self.outcomes["unanswered"] += 1
                if error.sent_at is not None:
                    self.unanswered_at.append(error.sent_at)
                time.sleep(0.02)
            except Unavailable:
                self.outcomes["503"] += 1
                time.sleep(0.02)
            except (Refusal, Refused) as error:
                status = error.reply.status
                self.outcomes[str(status)] += 1
                if status not in (429, 503):
                    self.faults.append(f"{act.__name__}: {error}")
                elif not error.reply.header("retry-after"):
                    self.faults.append(f"{act.__name__}: no Retry-After: {error}")
                time.sleep(0.02)
            except Exception as error:
                # an answer that nothing excuses, or a mistake of this test
                self.outcomes["unexpected"] += 1
                self.faults.append(f"{act.__name__}: {type(error).__name__} {error}")
            if self.pause:
                time.sleep(self.pause)
        self.http.close()

    # What people and applications do

    def login(self) -> None:
        """Signs in with a new browser and redeems the code."""
        browser = Browser(self.http)
        self.ledger.asked_logins += 1
        self._grant(SignedIn(browser))

    def _session(self) -> SignedIn | None:
        alive = [session for session in self.ledger.sessions if session.state is State.ALIVE]
        return self.random.choice(alive) if alive else None

    def code(self) -> None:
        """Gets a code in a session that is there, and redeems it."""
        session = self._session()
        if session is None:
            return self.login()
        self._grant(session)

    def _grant(self, session: SignedIn) -> None:
        scope = SCOPE if self.random.random() < 0.5 else "openid"
        code, verifier = session.browser.authorize(self.house.app, self.person, scope)
        if session not in self.ledger.sessions:
            self.ledger.sessions.append(session)
        self.ledger.asked_codes += 1
        tokens = Tokens.of(answered(redeem(self.http, self.house.app, code, verifier), 200))
        chain = Chain(self.house.app, code, verifier, tokens.refresh, tokens.access)
        session.chains.append(chain)
        self.ledger.chains.append(chain)

    def _chain(self) -> Chain | None:
        since = time.monotonic() - self.ledger.lifetime
        alive = [chain for chain in self.ledger.chains[-200:] if chain.state is State.ALIVE and chain.born > since]
        return self.random.choice(alive) if alive else None

    def refresh(self) -> None:
        """Refreshes a grant. Where no answer comes, the token that is kept must still work."""
        chain = self._chain()
        if chain is None:
            return self.code()
        tokens = Tokens.of(answered(refresh(self.http, chain.app, chain.refresh), 200))
        chain.before, chain.refresh, chain.access = chain.refresh, tokens.refresh, tokens.access

    def give_up(self) -> None:
        """Revokes a grant by its refresh token."""
        chain = self._chain()
        if chain is None:
            return
        chain.state, chain.reason = State.UNSURE, "revoked"
        answered(revoke(self.http, chain.app, chain.refresh), 200)
        chain.state = State.DEAD

    def give_up_access(self) -> None:
        """Revokes one access token of the application itself."""
        token = Tokens.of(answered(own_token(self.http, self.house.app), 200)).access
        answered(revoke(self.http, self.house.app, token), 200)
        self.ledger.revoked.append((self.house.app, token))

    def look(self) -> None:
        """Introspects a living token and a revoked one."""
        chain = self._chain()
        if chain:
            reply = answered(introspect(self.http, chain.app, chain.access), 200)
            if reply.json().get("active") is not True:
                raise Unexpected(f"a living token is not active: {reply}")
        if self.ledger.revoked:
            app, token = self.random.choice(self.ledger.revoked)
            reply = answered(introspect(self.http, app, token), 200)
            if reply.json().get("active") is not False:
                raise Unexpected(f"a revoked token is active: {reply}")

    def service(self) -> None:
        """A token for the application itself."""
        answered(own_token(self.http, self.house.app), 200)

    def log_out(self) -> None:
        """Signs out at the server's own page."""
        session = self._session()
        if session is None:
            return
        page = session.browser.get("/logout")
        if page.status in (429, 503):
            raise Refusal(page)
        for at in [session, *session.chains]:
            at.state = State.UNSURE if at.state is not State.DEAD else at.state
        cookies = dict(session.browser.cookies)
        answered(session.browser.submit(page, "/logout", {"decision": "sign-out"}), 200, 303)
        # the browser's cookie is gone; that of a thief is not, and must not work
        session.browser.cookies = cookies
        session.state = State.DEAD
        # which grants go with a session is the server's to say (offline_access stays): the next check settles it

    # What administrators do

    def _wrote(self, action: str, target: str, reply: Reply) -> Reply:
        self.ledger.writes.append(Write(action, target, reply.header("x-request-id")))
        return reply

    def role(self) -> None:
        """Makes, changes or deletes a role."""
        mine = [key for key, values in self.ledger.roles.items() if None not in values]
        if mine and self.random.random() < 0.6:
            key = self.random.choice(mine)
            if self.random.random() < 0.2:
                self.ledger.roles[key] = self.ledger.roles[key] | {None}
                self._wrote("role.delete", key, answered(self.admin.send("DELETE", f"/iam/roles/{key}"), 200, 204))
                self.ledger.roles[key] = {None}
                return
            text = uuid.uuid4().hex
            self.ledger.roles[key] = self.ledger.roles[key] | {text}
            self._wrote("role.update", key, answered(self.admin.send("PUT", f"/iam/roles/{key}", {"description": text}), 200))
        else:
            key, text = f"fault:r{uuid.uuid4().hex[:16]}", uuid.uuid4().hex
            self.ledger.roles[key] = {None, text}
            self._wrote("role.create", key, answered(self.admin.send("PUT", f"/iam/roles/{key}", {"description": text}), 201))
        self.ledger.roles[key] = {text}

    def principal(self) -> None:
        """Makes a principal."""
        identity = str(uuid.uuid4())
        self.ledger.asked_principals.add(identity)
        document = {"email": f"{identity}@example.org", "name": "Made under load"}
        self._wrote("principal.create", identity, answered(self.admin.send("PUT", f"/iam/principals/{identity}", document), 201))

    def suspend(self) -> None:
        """Suspends the worker's person and lets them act again: what they had stays ended."""
        self.ledger.end_everything(State.UNSURE, "suspended")
        self.ledger.may_act = State.UNSURE
        path = f"/iam/principals/{self.person.id}"
        reply = answered(self.admin.send("POST", f"{path}/suspend"), 200, 204)
        self._wrote("principal.suspend", self.person.id, reply)
        self.ledger.end_everything(State.DEAD, "suspended")
        self.ledger.may_act = State.DEAD

    def unsuspend(self) -> None:
        """Lets the worker's person act again, whether or not the suspension was answered."""
        suspended, self.ledger.may_act = self.ledger.may_act is State.DEAD, State.UNSURE
        reply = answered(self.admin.send("POST", f"/iam/principals/{self.person.id}/unsuspend"), 200, 204)
        if suspended:
            self._wrote("principal.unsuspend", self.person.id, reply)
        self.ledger.may_act = State.ALIVE

    def secret(self) -> None:
        """Makes a secret of the application, and removes an older one."""
        path = f"/iam/clients/{self.house.app.id}/secrets"
        reply = self._wrote("client.secret.create", self.house.app.id, answered(self.admin.send("POST", path, {"description": "load"}), 201))
        made = Application(self.house.app.id, reply.json()["secret"])
        self.ledger.secrets.append((made, State.UNSURE))
        at = len(self.ledger.secrets) - 1
        answered(own_token(self.http, made), 200)
        deleted = answered(self.admin.send("DELETE", f"{path}/{reply.json()['id']}"), 200, 204)
        self._wrote("client.secret.delete", self.house.app.id, deleted)
        self.ledger.secrets[at] = (made, State.DEAD)


class Load:
    """Several workers, started and stopped together."""

    def __init__(self, house: House, ledgers: list[Ledger], pause: float = 0.0, admin: bool = True) -> None:
        self.stop_event = threading.Event()
        self.workers = [Worker(house, ledger.person, ledger, self.stop_event, pause, admin) for ledger in ledgers]

    def start(self) -> Load:
        """Begins."""
        for worker in self.workers:
            worker.start()
        return self

    def stop(self) -> None:
        """Lets every worker finish what it is at."""
        self.stop_event.set()
        for worker in self.workers:
            worker.join(30)

    @property
    def outcomes(self) -> Counter[str]:
        """How often what came of it."""
        return sum((worker.outcomes for worker in self.workers), Counter())

    @property
    def faults(self) -> list[str]:
        """Answers that nothing excuses."""
        return [fault for worker in self.workers for fault in worker.faults]

    @property
    def times(self) -> list[tuple[float, float]]:
        """When acts that succeeded began, and how long they took."""
        return sorted(time for worker in self.workers for time in worker.times)


def ledgers(house: House) -> list[Ledger]:
    """An empty ledger for each person of the house."""
    return [Ledger(person) for person in house.people]
