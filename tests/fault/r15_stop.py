"""R15: SIGTERM under load."""

from __future__ import annotations

import time

from case import Outcome, Stage, facts
from mix import Load, ledgers


def run(stage: Stage) -> None:
    """Stops and starts again, several times; what was begun is finished, and nobody sees a 5xx."""
    outcome = stage.outcome
    rounds = 20 if stage.long else 4
    # the real cost of a login, so that some are under way
    house = stage.house("r15", options={"passwords.argon2_memory_kib": "19456", "passwords.argon2_iterations": "2", "passwords.answer_floor": "250ms"})
    books = ledgers(house)
    stops: list[float] = []
    answered = 0
    for number in range(rounds):
        load = Load(house, books).start()
        time.sleep(1.5)
        begun = time.monotonic()
        house.server.terminate()
        status = house.server.wait(35)
        stops.append(time.monotonic() - begun)
        load.stop()
        outcome.that(status == 0, f"round {number}: exit status {status}")
        cut = [at for worker in load.workers for at in worker.unanswered_at if at < begun]
        outcome.that(not cut, f"round {number}: {len(cut)} requests that had been sent before SIGTERM were not answered")
        errors = {status: count for status, count in load.outcomes.items() if status.startswith("5")}
        outcome.that(not errors, f"round {number}: {errors}")
        outcome.that(not load.faults, f"round {number}: {load.faults[:3]}")
        answered += load.outcomes["ok"]
        house.server.kill()
        house.server.start()
    outcome.add(facts(house, books))
    outcome.numbers |= {"rounds": rounds, "acts": answered, "slowest stop": f"{max(stops):.2f} s"}
