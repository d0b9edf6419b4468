"""R15: SIGTERM under load."""

from __future__ import annotations

import time

from case import Stage, facts
from mix import Load, ledgers
from stats import busyness, millis

#: How long the server may take to read a request that has arrived.
UNREAD = 0.02


def run(stage: Stage) -> None:
    """Stops and starts again, several times; what was begun is finished, and nobody sees a 5xx."""
    outcome = stage.outcome
    rounds = 20 if stage.long else 3
    # the real cost of a login, so that some are under way
    house = stage.house("r15", options={"passwords.argon2_memory_kib": "19456", "passwords.argon2_iterations": "2", "passwords.answer_floor": "250ms"})
    books = ledgers(house)
    stops: list[float] = []
    answered = unread = 0
    busy = busyness()
    for number in range(rounds):
        load = Load(house, books).start()
        time.sleep(1.5)
        begun = time.monotonic()
        house.server.terminate()
        status = house.server.wait(35)
        stops.append(time.monotonic() - begun)
        load.stop()
        outcome.that(status == 0, f"round {number}: exit status {status}")
        cut = [begun - at for worker in load.workers for at in worker.unanswered_at if at < begun]
        # a request that the server has not even read yet may be cut off: HTTP knows no way to tell (RFC 9112 §9.3.1)
        outcome.that(max(cut, default=0) <= UNREAD * max(1.0, busy), f"round {number}: requests sent {[millis(ago) for ago in cut]} before SIGTERM were not answered")
        unread += len(cut)
        errors = {status: count for status, count in load.outcomes.items() if status.startswith("5")}
        outcome.that(not errors, f"round {number}: {errors}")
        outcome.that(not load.faults, f"round {number}: {load.faults[:3]}")
        answered += load.outcomes["ok"]
        house.server.kill()
        house.server.start()
    outcome.add(facts(house, books))
    outcome.numbers |= {"rounds": rounds, "acts": answered, "cut off unread": unread, "slowest stop": f"{max(stops):.2f} s"}
