"""R1: kill -9 under mixed load, at a random moment, again and again."""

from __future__ import annotations

import random
import time

from case import Outcome, Stage, check_database, facts
from ledger import Ledger, State
from mix import Load, ledgers
from people import House, expect
from stats import millis, percentile

#: Seconds after which it must be ready again.
READY = 2.0


def run(stage: Stage) -> None:
    """On the embedded database, and on PostgreSQL."""
    outcome = stage.outcome
    cycles = 200 if stage.long else 20
    databases: list[str | None] = [None]
    if stage.postgres:
        databases.append(stage.postgres.database("r1"))
    else:
        outcome.notes.append("without PostgreSQL, which is not installed")
    for database in databases:
        _cycles(stage, database, cycles, outcome)


def _remove_secrets(house: House, books: list[Ledger]) -> None:
    """Removes the secrets that a kill has left behind: an application has ten at most."""
    admin, path = house.admin(), f"/iam/clients/{house.app.id}/secrets"
    for secret in expect(admin.send("GET", path), 200).json()["secrets"]:
        if secret["description"] == "load":
            expect(admin.send("DELETE", f"{path}/{secret['id']}"), 200, 204)
    for book in books:
        book.secrets = [(app, State.DEAD) for app, _ in book.secrets]


def _cycles(stage: Stage, database: str | None, cycles: int, outcome: Outcome) -> None:
    kind = "PostgreSQL" if database else "SQLite"
    house = stage.house("r1", database=database)
    books = ledgers(house)
    starts: list[float] = []
    acts = 0
    for cycle in range(cycles):
        load = Load(house, books).start()
        time.sleep(random.uniform(0.2, 0.9))
        house.server.kill()
        load.stop()
        acts += load.outcomes["ok"]
        starts.append(house.server.start())
        faults = load.faults
        outcome.that(not faults, f"{kind}, cycle {cycle}, under load: {faults[:3]}")
        # those of each cycle, and in the end of all
        verdict = facts(house, books, sample=40 if cycle == cycles - 1 else 24 if stage.long else 6)
        verdict.faults = [f"{kind}, cycle {cycle}: {fault}" for fault in verdict.faults[:5]]
        outcome.add(verdict)
        _remove_secrets(house, books)
        if len(outcome.faults) > 20:
            break
    logins, codes = sum(book.asked_logins for book in books), sum(book.asked_codes for book in books)
    # a code whose answer was lost is asked for, too: every act asks for one at most
    check_database(house, stage.postgres, outcome, logins, codes + acts)
    slowest = max(starts)
    outcome.within(slowest, READY, f"{kind}: ready again")
    outcome.numbers[f"{kind} cycles"] = cycles
    outcome.numbers[f"{kind} acts"] = acts
    outcome.numbers[f"{kind} ready p50/max"] = f"{millis(percentile(starts, 0.5))} / {millis(slowest)}"
    house.server.kill()
