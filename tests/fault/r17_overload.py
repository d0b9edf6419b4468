"""R17: ten times the capacity, on the login and on the token endpoint."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from case import Outcome, Stage
from http_client import Http, Unanswered
from people import ROOT, Browser, House, introspect, own_token
from stats import millis, percentile

#: What others may take meanwhile, at p99.
OTHERS = 0.1
#: How fast an excess request is refused.
FAST = 0.5
#: Within which all is as before.
RECOVERED = 2.0


@dataclass
class Watch:
    """Health and introspection, asked all the time by themselves."""

    house: House
    token: str
    stopped: threading.Event = field(default_factory=threading.Event)
    took: list[tuple[float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Until it is stopped."""
        http = self.house.server.http(timeout=5)
        while not self.stopped.is_set():
            for ask in (lambda: http.get("/health/ready"), lambda: introspect(http, ROOT, self.token)):
                begun = time.monotonic()
                try:
                    reply = ask()
                    self.took.append((begun, time.monotonic() - begun))
                    if reply.status != 200:
                        self.failed.append(str(reply))
                except Unanswered as error:
                    self.failed.append(str(error))
            time.sleep(0.02)


def run(stage: Stage) -> None:
    """Logins at their real cost, then tokens."""
    options = {
        "passwords.argon2_memory_kib": "19456", "passwords.argon2_iterations": "2", "passwords.answer_floor": "250ms",
        "log.level": "warn",
    }
    house = stage.house("r17", people=8, options=options)
    seconds = 60 if stage.long else 6
    _storm(stage, house, "login", 120, seconds, _login)
    _storm(stage, house, "token", 60, seconds, _token)


def _login(house: House, number: int, http: Http, state: dict[str, object]) -> int:
    browser = state.setdefault("browser", Browser(http))
    assert isinstance(browser, Browser)
    if "page" not in state:
        state["page"] = browser.get("/login")
    person = house.people[number % len(house.people)]
    reply = browser.submit(state["page"], "/login", {"username": person.email, "password": person.password, "sign_in": "true"})  # type: ignore[arg-type]
    state["retry-after"] = reply.header("retry-after")
    return reply.status


def _token(house: House, number: int, http: Http, state: dict[str, object]) -> int:
    reply = own_token(http, house.app)
    state["retry-after"] = reply.header("retry-after")
    return reply.status


def _storm(stage: Stage, house: House, kind: str, width: int, seconds: float, ask) -> None:  # type: ignore[no-untyped-def]
    outcome: Outcome = stage.outcome
    watch = Watch(house, own_token(house.server.http(), ROOT).json()["access_token"])
    watcher = threading.Thread(target=watch.run, daemon=True)
    watcher.start()
    time.sleep(1)
    counts: Counter[int] = Counter()
    refused: list[float] = []
    bare: list[int] = []
    over = time.monotonic() + seconds

    def storm(number: int) -> None:
        http, state = house.server.http(timeout=20), {}
        while time.monotonic() < over:
            begun = time.monotonic()
            try:
                status = ask(house, number, http, state)
            except Unanswered:
                status = 0
            counts[status] += 1
            if status in (429, 503):
                refused.append(time.monotonic() - begun)
                if not state["retry-after"]:
                    bare.append(status)
                # a client that is refused and asks again at once, but leaves the test its own processor
                time.sleep(0.05)

    threads = [threading.Thread(target=storm, args=(number,), daemon=True) for number in range(width)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = time.monotonic()
    time.sleep(RECOVERED + 0.5)
    watch.stopped.set()
    watcher.join()
    before = [took for at, took in watch.took if at < begun]
    during = [took for at, took in watch.took if begun <= at < ended]
    after = [took for at, took in watch.took if at >= ended + RECOVERED - 0.5]
    p99 = percentile(during, 0.99)
    strange = {status: count for status, count in counts.items() if status not in (200, 303, 429, 503)}
    outcome.that(not strange, f"{kind}: {strange}")
    outcome.that(not bare, f"{kind}: {len(bare)} refusals without Retry-After")
    outcome.that(not watch.failed, f"{kind}: others failed meanwhile: {watch.failed[:2]}")
    outcome.within(p99, OTHERS, f"{kind}: health and introspection meanwhile, p99")
    outcome.within(percentile(refused, 0.99), FAST, f"{kind}: refusals, p99")
    outcome.within(percentile(after, 0.99), OTHERS, f"{kind}: health and introspection {RECOVERED:.0f} s later, p99")
    outcome.numbers[f"{kind} answers"] = dict(counts)
    outcome.numbers[f"{kind}: refused p50/p99"] = f"{millis(percentile(refused, 0.5))} / {millis(percentile(refused, 0.99))}"
    outcome.numbers[f"{kind}: others p99 before/during/after"] = " / ".join(millis(percentile(part, 0.99)) for part in (before, during, after))
