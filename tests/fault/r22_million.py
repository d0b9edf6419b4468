"""R22: a million principals and a million refresh tokens: the start, and what an act costs then."""

from __future__ import annotations

import time

from case import Stage
from mix import Load, ledgers
from people import Application, House, furnish, refresh
from stats import millis, percentile

START = 3.0


def run(stage: Stage) -> None:
    """Ten thousand of each in the short form, for the way there."""
    outcome = stage.outcome
    count = 1_000_000 if stage.long else 10_000
    server = stage.server("r22", options={"log.level": "warn"})
    told = server.directory / "told"
    begun = time.monotonic()
    server.command(
        "dev", "fill", "--yes", "--principals", str(count), "--clients", "1000", "--refresh-tokens", str(count), "--credentials", str(told), "--known", "200",
        timeout=7200,
    )
    outcome.numbers["filling took"] = f"{time.monotonic() - begun:.0f} s"
    first = server.start()
    outcome.numbers["first start after filling"] = millis(first)
    house = furnish(server)
    books = ledgers(house)
    load = Load(house, books, admin=False).start()
    time.sleep(2)
    load.stop()
    server.kill()
    started = server.start()
    outcome.within(max(first, started), START, f"ready with {count} principals and refresh tokens")
    outcome.numbers["start after kill -9"] = millis(started)
    _made_up_tokens(house, told.read_text(), stage)
    load = Load(house, books, admin=False).start()
    time.sleep(20 if stage.long else 2)
    load.stop()
    outcome.that(not load.faults, f"under load: {load.faults[:3]}")
    took = [took for _, took in load.times]
    outcome.within(percentile(took, 0.99), 0.25, "an act, p99")
    outcome.numbers |= {"acts": len(took), "p50/p99 of an act": f"{millis(percentile(took, 0.5))} / {millis(percentile(took, 0.99))}"}
    outcome.numbers["memory"] = f"{server.memory() / 1024:.0f} MiB"
    size = sum(file.stat().st_size for file in (server.directory / "data").iterdir())
    outcome.numbers["database"] = f"{size / 2**20:.0f} MiB"


def _made_up_tokens(house: House, told: str, stage: Stage) -> None:
    """A: those of the made-up refresh tokens that are known work."""
    lines = [line.split("\t") for line in told.splitlines()]
    app = next(Application(words[1], words[2]) for words in lines if words[:2] == ["client", "load-jwt"])
    tokens = [words[1] for words in lines if words[0] == "refresh"]
    stage.outcome.that(len(tokens) == 200, f"{len(tokens)} refresh tokens are known")
    http = house.server.http()
    took = []
    for token in tokens:
        reply = refresh(http, app, token)
        stage.outcome.that(reply.status == 200, f"A: a made-up refresh token: {reply}")
        took.append(reply.took)
    stage.outcome.numbers["a refresh p50/p99"] = f"{millis(percentile(took, 0.5))} / {millis(percentile(took, 0.99))}"
