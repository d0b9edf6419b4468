"""R20: a backup while the server works, restored beside it: everything that had been acknowledged before it began is there."""

from __future__ import annotations

import subprocess
import time

from case import Skip, Stage, check_database, facts
from ledger import Ledger, State
from mix import Load, ledgers
from people import House
from server import Server


def run(stage: Stage) -> None:
    """The load is still for a moment when the backup begins, so that the facts are known; then it goes on during it."""
    help_ = subprocess.run([str(stage.binary), "help"], capture_output=True, text=True).stdout
    if "\n  backup " not in help_ or "\n  restore " not in help_:
        raise Skip("this binary has no `keyward backup` and `keyward restore` yet")
    for number in range(20 if stage.long else 3):
        _once(stage, number)


def _once(stage: Stage, number: int) -> None:
    outcome = stage.outcome
    house = stage.house("r20")
    books = ledgers(house)
    load = Load(house, books).start()
    time.sleep(1)
    load.stop()
    # what happens from here on may or may not be in the backup; nobody refreshes or revokes what is in these books
    others = [Ledger(book.person) for book in books]
    meanwhile = Load(house, others, admin=False).start()
    file = stage.scratch / f"backup-{number}"
    begun = time.monotonic()
    done = house.server.command("backup", str(file), check=False)
    took = time.monotonic() - begun
    meanwhile.stop()
    outcome.that(done.returncode == 0, f"backup: {done.stderr[-500:]}")
    outcome.that(not meanwhile.faults, f"under load during the backup: {meanwhile.faults[:3]}")
    outcome.that(file.exists() and file.stat().st_mode & 0o077 == 0, "the backup can be read by others")
    house.server.kill()
    restored: Server = stage.server("restored", issuer=house.server.issuer, environment=house.server.environment)
    restored.host, restored.port = house.server.host, house.server.port
    done = restored.command("restore", str(file), check=False)
    outcome.that(done.returncode == 0, f"restore: {done.stderr[-500:]}")
    if done.returncode:
        return
    restored.start()
    copy = House(restored, house.app, house.people)
    for book, other in zip(books, others, strict=True):
        # the load of the backup's time signed in as the same people, and ended nothing of these books
        book.asked_principals |= other.asked_principals
        book.sessions = [session for session in book.sessions if session.state is not State.UNSURE]
    roles = {role for book in others for role in book.roles}
    outcome.add(facts(copy, books, roles))
    check_database(copy, None, outcome, 10**9, 10**9)
    outcome.numbers["backup took"] = f"{took:.2f} s"
    restored.kill()
