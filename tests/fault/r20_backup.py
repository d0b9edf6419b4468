"""R20: backups while the server works, restored elsewhere: everything that was acknowledged before one began holds there,
what had ended stays ended, and the server it was made of goes on."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from case import Stage, check_database, facts
from ledger import Ledger
from mix import Load
from people import House
from postgres import Postgres
from server import MASTER_KEY, Server

PASSPHRASE = "seven words of a passphrase for a fault\n"


@dataclass(frozen=True)
class Way:
    """From which kind of database to which, and whether the file is sealed."""

    source: str
    target: str
    sealed: bool

    def __str__(self) -> str:
        return f"{self.source} to {self.target}, {'sealed' if self.sealed else 'plain'}"


def run(stage: Stage) -> None:
    """Both databases, with and without a passphrase; the long form brings each also into the other kind, many times."""
    kinds = ["SQLite", "PostgreSQL"] if stage.postgres else ["SQLite"]
    if not stage.postgres:
        stage.outcome.notes.append("without PostgreSQL, which is not installed")
    if stage.long:
        ways = [Way(source, target, sealed) for source in kinds for target in kinds for sealed in (False, True)] * 5
    else:
        ways = [Way(source, kinds[(at + sealed) % len(kinds)], sealed) for at, source in enumerate(kinds) for sealed in (False, True)]
    for number, way in enumerate(ways):
        _once(stage, number, way)


def _once(stage: Stage, number: int, way: Way) -> None:
    """The facts are those of two people whose load has come to rest when the backup begins; two others go on."""
    outcome, postgres = stage.outcome, stage.postgres
    database = postgres.database(f"r20_{number}") if postgres and way.source == "PostgreSQL" else None
    house = stage.house("r20", 4, database)
    books, others = ([Ledger(person) for person in part] for part in (house.people[:2], house.people[2:]))
    before = Load(house, books).start()
    time.sleep(3 if stage.long else 1)
    before.stop()
    then = [book.copy() for book in books]
    meanwhile = Load(house, others).start()
    time.sleep(0.2)
    file, phrase = stage.scratch / f"backup-{number}", stage.scratch / f"passphrase-{number}"
    phrase.write_text(PASSPHRASE)
    sealed = ("--passphrase-file", str(phrase)) if way.sealed else ()
    begun = time.monotonic()
    done = house.server.command("backup", str(file), *sealed, check=False)
    took = time.monotonic() - begun
    time.sleep(0.2)
    meanwhile.stop()
    acts = sum(begun <= at <= begun + took for at, _ in meanwhile.times)
    faults = before.faults + meanwhile.faults
    outcome.that(not faults, f"{way}, under load: {faults[:3]}")
    if not outcome.that(done.returncode == 0, f"{way}, backup: {done.stderr[-500:]}"):
        return
    outcome.that(file.stat().st_mode & 0o077 == 0, f"{way}: the backup can be read by others")
    first = file.open("rb").readline()
    outcome.that(first == (b"keyward-backup 1 sealed\n" if way.sealed else b"keyward-backup 1\n"), f"{way}: the backup begins with {first!r}")

    restored = _elsewhere(stage, house.server, way, number)
    if way.sealed:
        phrase.write_text("another passphrase than that\n")
        _refused(restored.command("restore", str(file), *sealed, check=False), f"{way}: restored under a wrong passphrase", stage)
        phrase.write_text(PASSPHRASE)
    done = restored.command("restore", str(file), *sealed, check=False)
    if not outcome.that(done.returncode == 0, f"{way}, restore: {done.stderr[-500:]}"):
        return
    restored.start()
    copy = House(restored, house.app, house.people)
    # what the others did meanwhile may or may not be in it
    roles = {role for book in others for role in book.roles}
    people = set[str]().union(*(book.asked_principals for book in others))
    _hold(stage, copy, then, roles, people, f"{way}, restored")
    _sound(stage, copy, f"{way}, restored")
    _refused(restored.command("restore", str(file), *sealed, check=False), f"{way}: restored over what is there", stage)
    # the server it was made of knows nothing of that, and goes on
    _hold(stage, house, books + others, set(), set(), f"{way}, the original")
    _sound(stage, house, f"{way}, the original")
    outcome.numbers[str(way)] = f"{acts} acts in {took:.2f} s of backup, {file.stat().st_size // 1024} KiB"
    restored.kill()
    house.server.kill()


def _elsewhere(stage: Stage, original: Server, way: Way, number: int) -> Server:
    """A server with another directory and another database, which people reach by the same address."""
    key = {"KEYWARD_MASTER_KEY": MASTER_KEY} if way.source == "PostgreSQL" else {}
    database = None
    if way.target == "PostgreSQL":
        postgres: Postgres = stage.need_postgres()
        database = postgres.database(f"r20_{number}_restored")
        if way.source == "SQLite":
            made = Path(original.directory / "data" / "master.key").read_text().strip()
            key = {"KEYWARD_MASTER_KEY": f"keyward-master-key:{made}"}
    return stage.server("restored", database, issuer=original.issuer, environment=key)


def _refused(done: subprocess.CompletedProcess[str], told: str, stage: Stage) -> None:
    panicked = "panicked" in done.stderr
    stage.outcome.that(done.returncode != 0 and not panicked, f"{told}: exit status {done.returncode} {done.stderr[-300:]}")


def _hold(stage: Stage, house: House, books: list[Ledger], roles: set[str], people: set[str], where: str) -> None:
    verdict = facts(house, books, roles, known_people=people)
    verdict.faults = [f"{where}: {fault}" for fault in verdict.faults[:5]]
    stage.outcome.add(verdict)


def _sound(stage: Stage, house: House, where: str) -> None:
    """The database is sound, and so is the chain of its audit log."""
    check_database(house, stage.postgres, stage.outcome, 10**9, 10**9)
    done = house.server.command("audit", "verify", check=False)
    stage.outcome.that(done.returncode == 0, f"{where}, audit verify: {done.stdout[-300:]} {done.stderr[-300:]}")
