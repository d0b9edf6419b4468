"""R8: PostgreSQL is stopped, killed, refusing, frozen, slow."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from case import Stage, check_database, facts, until
from http_client import Unanswered
from mix import Load, ledgers
from people import ROOT, House, introspect, own_token
from postgres import Postgres
from proxy import Proxy
from stats import millis

#: A request that the database holds up is answered after about a second, with some time for a busy machine.
DEADLINE = 1.5
#: Within which everything works again.
HEALED = 5.0


@dataclass
class Probe:
    """Asks on connections of its own, all the time: how the server answers meanwhile."""

    house: House
    token: str
    stopped: threading.Event = field(default_factory=threading.Event)
    #: when asked, status (0: no answer), seconds, whether Retry-After was there
    looked: list[tuple[float, int, float, bool]] = field(default_factory=list)
    lived: list[float] = field(default_factory=list)

    def start(self) -> list[threading.Thread]:
        """Begins, in threads of its own."""
        threads = [threading.Thread(target=ask, daemon=True) for ask in [self._look] * 4 + [self._live]]
        for thread in threads:
            thread.start()
        return threads

    def _look(self) -> None:
        http = self.house.server.http(timeout=8)
        while not self.stopped.is_set():
            begun = time.monotonic()
            try:
                reply = introspect(http, ROOT, self.token)
                self.looked.append((begun, reply.status, reply.took, "retry-after" in reply.headers))
            except Unanswered:
                self.looked.append((begun, 0, time.monotonic() - begun, False))
            time.sleep(0.05)

    def _live(self) -> None:
        http = self.house.server.http(timeout=8)
        while not self.stopped.is_set():
            begun = time.monotonic()
            try:
                status = http.get("/health/live").status
            except Unanswered:
                status = 0
            self.lived.append(time.monotonic() - begun if status == 200 else 99.0)
            time.sleep(0.05)


def run(stage: Stage) -> None:
    """One outage after the other, each under load, with all facts checked behind it."""
    postgres = stage.need_postgres()
    postgres.database("r8")
    way = Proxy(postgres.port)
    stage.closing.append(way.close)
    options = {"tokens.access_token_lifetime": "24h"}
    house = stage.house("r8", database=postgres.through("r8", way.port), options=options)
    for kind in ("stopped", "killed", "refusing", "frozen", "slow"):
        for _ in range(5 if stage.long else 1):
            _outage(stage, house, postgres, way, kind)
    check_database(house, postgres, stage.outcome, 10**9, 10**9)


def _outage(stage: Stage, house: House, postgres: Postgres, way: Proxy, kind: str) -> None:
    outcome, books = stage.outcome, ledgers(house)
    roles = {role["key"] for role in house.admin().everything("/iam/roles", "roles")}
    people = {principal["id"] for principal in house.admin().everything("/iam/principals", "principals")}
    probe = Probe(house, own_token(house.server.http(), ROOT).json()["access_token"])
    load = Load(house, books).start()
    time.sleep(0.5)
    threads = probe.start()
    time.sleep(0.2)
    frozen: list[int] = []
    begun = time.monotonic()
    match kind:
        case "stopped":
            postgres.stop()
        case "killed":
            postgres.kill()
        case "refusing":
            way.tell("refuse")
        case "frozen":
            frozen = postgres.freeze()
        case "slow":
            way.tell("delay 2")
    time.sleep(3.5)
    match kind:
        case "stopped" | "killed":
            postgres.start()
        case "frozen":
            postgres.thaw(frozen)
        case _:
            way.tell("pass")
    back = time.monotonic()
    # healed is who never fails again: nobody did for two seconds
    def calm() -> bool:
        return time.monotonic() - max([entry[0] + entry[2] for entry in list(probe.looked) if entry[1] != 200] + [back]) > 2

    healed = until(calm, 6 * HEALED, every=0.1) is not None
    load.stop()
    probe.stopped.set()
    for thread in threads:
        thread.join()
    failed = [entry[0] + entry[2] for entry in probe.looked if entry[1] != 200]
    took = max(max(failed, default=back) - back, 0.0)
    during = [entry for entry in probe.looked if begun < entry[0] + entry[2] and entry[0] < back - DEADLINE]
    slowest, live = max((entry[2] for entry in during), default=0.0), max(probe.lived)
    wrong = [entry[1] for entry in during if entry[1] not in (200, 503)]
    outcome.that(not wrong, f"{kind}: introspection answered {sorted(set(wrong))} ({len(wrong)} of {len(during)}; 0 is no answer)")
    outcome.that(all(entry[3] for entry in during if entry[1] == 503), f"{kind}: 503 without Retry-After")
    outcome.within(slowest, DEADLINE, f"{kind}: the slowest answer")
    outcome.within(live, 0.3, f"{kind}: the slowest /health/live")
    outcome.that(healed, f"{kind}: never healed: {sum(at > back + HEALED for at in failed)} requests failed more than {HEALED:.0f} s later")
    outcome.within(took, HEALED, f"{kind}: healed")
    outcome.that(not load.faults, f"{kind}, under load: {load.faults[:3]}")
    outcome.numbers[kind] = f"{len(during)} asked, slowest {millis(slowest)}, live {millis(live)}, healed {millis(took) if healed else 'not'}"
    verdict = facts(house, books, roles, 12, people)
    verdict.faults = [f"{kind}: {fault}" for fault in verdict.faults[:5]]
    outcome.add(verdict)
