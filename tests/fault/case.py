"""What every fault is given, and what it gives back."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from http_client import PatientHttp
from ledger import Ledger, Verdict, check, check_administration, check_suspension
from people import Admin, House, furnish
from postgres import Postgres
from server import Server


#: A time decides only where it is so many times as long as it may be, and longer by more than a stall of the machine.
GROSSLY, STALL = 5.0, 3.0


class Skip(Exception):
    """This fault cannot be tried here; the text says why."""


@dataclass
class Outcome:
    """What came of one fault."""

    faults: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    #: the longest time measured of each thing, and what it may be at most
    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    #: those of them that were longer
    slow: list[str] = field(default_factory=list)

    def that(self, holds: bool, told: str) -> bool:
        """Notes what must hold."""
        if not holds:
            self.faults.append(told)
        return holds

    def within(self, seconds: float, limit: float, told: str) -> None:
        """Notes a time that should not be exceeded."""
        before, least = self.times.get(told, (0.0, limit))
        self.times[told] = (max(before, seconds), min(least, limit))

    def judge(self, busy: float) -> None:
        """Judges the times. What is slow is told; only what is grossly so is a fault, for times are the machine's as much as
        the server's, and it may be busy with other things."""
        slack = max(1.0, busy)
        if slack > 1.5:
            self.notes.append(f"other things made the machine {slack:.1f} times as slow")
        for told, (seconds, limit) in self.times.items():
            text = f"{told}: {seconds:.2f} s, expected at most {limit:.2f} s"
            if seconds > max(GROSSLY * limit, limit + STALL) * slack:
                self.faults.append(text)
            elif seconds > limit:
                self.slow.append(text)

    def add(self, verdict: Verdict) -> None:
        """Takes over what checking the facts found."""
        self.faults += verdict.faults
        self.numbers["facts checked"] = self.numbers.get("facts checked", 0) + verdict.checked


@dataclass
class Stage:
    """Where a fault is tried: binary, scratch directory, PostgreSQL if there is one, and how thoroughly."""

    binary: Path
    scratch: Path
    postgres: Postgres | None
    long: bool
    #: for how long the soak goes on in seconds, where that is said
    soak: int | None = None
    #: kept here, so that what was found before an exception is told as well
    outcome: Outcome = field(default_factory=Outcome)
    servers: list[Server] = field(default_factory=list)
    closing: list[Callable[[], None]] = field(default_factory=list)
    _names: int = 0

    def server(self, name: str, database: str | None = None, **settings: Any) -> Server:
        """A server with a directory of its own, not started yet; it is killed when the fault is over."""
        self._names += 1
        server = Server(self.binary, self.scratch / f"{name}-{self._names}", database=database, **settings)
        self.servers.append(server)
        return server

    def house(self, name: str, people: int = 4, database: str | None = None, **settings: Any) -> House:
        """A running server with an application and people."""
        server = self.server(name, database, **settings)
        server.start()
        return furnish(server, people)

    def need_postgres(self) -> Postgres:
        """PostgreSQL, or `Skip`."""
        if self.postgres is None:
            raise Skip("PostgreSQL is not installed")
        return self.postgres

    def close(self) -> list[str]:
        """Ends what runs; what the servers' logs tell of panics."""
        for close in reversed(self.closing):
            close()
        for server in self.servers:
            server.kill()
        panics = [f"panic in {server.directory.name}: {line}" for server in self.servers if server.log.exists() for line in server.panics()]
        self.servers, self.closing = [], []
        return panics


def facts(
    house: House, ledgers: list[Ledger], known_roles: set[str] | None = None, sample: int = 40, known_people: set[str] | None = None
) -> Verdict:
    """Checks all facts over HTTP. What is known was there before the load of these ledgers."""
    verdict = Verdict()
    # what is checked is whether facts hold, not whether the server is well again
    http = PatientHttp(house.server.port, house.server.host, timeout=30, repeats=40, pause=0.1)
    admin = Admin(http)
    for ledger in ledgers:
        check_suspension(ledger, admin, verdict)
        check(ledger, http, verdict, sample)
    known = {person.id for person in house.people} | (known_people or set())
    check_administration(ledgers, admin, known_roles or set(), known, verdict)
    http.close()
    return verdict


LIVING_CHILDREN = """
    SELECT grant_id, count(*) FROM refresh_token WHERE used_at IS NULL GROUP BY grant_id HAVING count(*) > 1
"""


def check_database(house: House, postgres: Postgres | None, outcome: Outcome, logins: int, codes: int) -> None:
    """Looks into the database itself: it is sound, no grant has two living refresh tokens, and there are no more sessions
    and grants than were asked for."""
    counts = "SELECT (SELECT count(*) FROM session), (SELECT count(*) FROM oauth_grant)"
    if house.server.database and postgres:
        name = house.server.database.rsplit("/", 1)[1]
        double = postgres.query(name, LIVING_CHILDREN)
        sessions, grants = (int(number) for number in postgres.query(name, counts)[0])
    else:
        with sqlite3.connect(house.server.directory / "data" / "keyward.db", timeout=10) as database:
            integrity = database.execute("PRAGMA integrity_check").fetchall()
            outcome.that(integrity == [("ok",)], f"integrity_check: {integrity[:3]}")
            dangling = database.execute("PRAGMA foreign_key_check").fetchall()
            outcome.that(not dangling, f"foreign_key_check: {dangling[:3]}")
            double = database.execute(LIVING_CHILDREN).fetchall()
            sessions, grants = database.execute(counts).fetchone()
        database.close()
    outcome.that(not double, f"F: grants with two living refresh tokens: {double[:3]}")
    outcome.that(sessions <= logins, f"G: {sessions} sessions, but {logins} logins were asked for")
    outcome.that(grants <= codes, f"G: {grants} grants, but {codes} codes were asked for")


def until(holds: Callable[[], bool], seconds: float, every: float = 0.02) -> float | None:
    """Waits until something holds; the seconds that took, none if it never did."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if holds():
            return time.monotonic() - begun
        time.sleep(every)
    return None
