"""R16: the mix for a long time: memory, descriptors and latency stay flat, and what has expired goes away."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from case import Stage, facts, until
from mix import Load, ledgers
from people import House
from stats import median, millis, percentile

#: Seconds for which a grant lives here, so that the purge has something to do within minutes.
GRANT = 40
#: How often the server purges, with some time for doing it.
PURGE = 75
#: What memory may grow by from the first to the last third, besides a tenth.
GROWTH = 8 << 10


@dataclass
class Sample:
    """What the process had at a time."""

    at: float
    memory: int
    descriptors: int


def run(stage: Stage) -> None:
    """Two minutes, two hours, or as long as is said."""
    outcome = stage.outcome
    seconds = stage.soak or (7200 if stage.long else 120)
    warm_up = min(600, seconds // 4)
    options = {"tokens.refresh_idle": f"{GRANT}s", "tokens.refresh_absolute": f"{GRANT}s", "log.level": "warn"}
    house = stage.house("r16", options=options)
    books = ledgers(house)
    for book in books:
        book.lifetime = GRANT - 10
    begun = time.monotonic()
    load = Load(house, books, pause=0.05).start()
    samples: list[Sample] = []
    while time.monotonic() - begun < seconds:
        time.sleep(1)
        samples.append(Sample(time.monotonic() - begun, house.server.memory(), house.server.descriptors()))
        for book in books:
            # secrets are few, and known by their place
            del book.chains[:-400], book.sessions[:-50], book.revoked[:-400]
    load.stop()
    outcome.that(house.server.is_running(), "the server has ended")
    outcome.that(not load.faults, f"under load: {load.faults[:4]}")
    steady = [sample for sample in samples if sample.at > warm_up]
    third = len(steady) // 3
    first, last = steady[:third], steady[-third:]
    memory = [median([sample.memory for sample in part]) for part in (first, last)]
    descriptors = [median([sample.descriptors for sample in part]) for part in (first, last)]
    outcome.that(memory[1] <= memory[0] * 1.1 + GROWTH, f"memory grew from {memory[0] / 1024:.1f} to {memory[1] / 1024:.1f} MiB")
    outcome.that(descriptors[1] <= descriptors[0] + 5, f"descriptors grew from {descriptors[0]:.0f} to {descriptors[1]:.0f}")
    times = [(at - begun, took) for at, took in load.times if at - begun > warm_up]
    half = warm_up + (seconds - warm_up) / 2
    p99 = [percentile([took for at, took in times if (at < half) == early], 0.99) for early in (True, False)]
    outcome.within(p99[1], max(2 * p99[0], 0.05), f"p99 of an act in the second half, {millis(p99[0])} in the first")
    _purged(house, stage)
    for book in books:
        # most of the grants are over by their time
        book.chains.clear()
    outcome.add(facts(house, books, {role for book in books for role in book.roles}))
    part = seconds / 8
    parts = [[sample.memory for sample in samples if part * n <= sample.at < part * (n + 1)] for n in range(8)]
    outcome.numbers |= {
        "memory MiB by eighths": ", ".join(f"{median(of) / 1024:.1f}" for of in parts if of),
        "outcomes": dict(load.outcomes), "memory MiB": f"{memory[0] / 1024:.1f} to {memory[1] / 1024:.1f}",
        "descriptors": f"{descriptors[0]:.0f} to {descriptors[1]:.0f}", "p99 of an act": f"{millis(p99[0])}, then {millis(p99[1])}",
    }


def _purged(house: House, stage: Stage) -> None:
    """No row is there whose time was over a purge ago; a purge that is late gets half a minute."""
    before = int((time.time() - PURGE) * 1000)
    with sqlite3.connect(house.server.directory / "data" / "keyward.db", timeout=10) as database:
        for table in ("refresh_token", "oauth_grant", "revoked_token", "assertion_jti", "throttle", "idempotency"):
            left = lambda: database.execute(f"SELECT count(*) FROM {table} WHERE expires_at < ?", (before,)).fetchone()[0]
            gone = until(lambda: left() == 0, 30, every=0.5)
            stage.outcome.that(gone is not None, f"{left()} rows of {table} are still there {PURGE} s after they expired")
        stage.outcome.numbers["rows of grants and refresh tokens in the end"] = database.execute(
            "SELECT (SELECT count(*) FROM oauth_grant) || ' and ' || (SELECT count(*) FROM refresh_token)"
        ).fetchone()[0]
    database.close()
