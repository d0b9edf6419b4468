"""R11: signing keys are rotated again and again under load, with clients that fetch the key set as rarely as they may.

Time passes in leaps (libfaketime), so that hours of rotation take seconds.
"""

from __future__ import annotations

import random
import re
import threading
import time
from typing import Any

from case import Stage
from clock import FakeClock
from http_client import Http, Unanswered
from jose import header_of, verify
from people import Browser, House, Tokens, own_token, redeem

MAX_AGE = 20


class Verifier:
    """A client that keeps the key set as long as its Cache-Control allows, by the server's clock."""

    def __init__(self, http: Http, clock: FakeClock) -> None:
        self.http, self.clock = http, clock
        self.keys: dict[str, Any] = {"keys": []}
        self.fresh_until = 0.0

    def check(self, token: str) -> bool:
        """Whether the token verifies."""
        if self.clock.now() >= self.fresh_until:
            reply = self.http.get("/oauth/jwks")
            age = re.search(r"max-age=(\d+)", reply.header("cache-control"))
            self.keys = reply.json()
            self.fresh_until = self.clock.now() + (int(age[1]) if age else 0)
        return verify(token, self.keys)


def run(stage: Stage) -> None:
    """Rotations at random distances; each token is verified when it is issued, and some once more later."""
    outcome = stage.outcome
    clock = FakeClock(stage.scratch / "clock" / "offset")
    options = {"keys.jwks_max_age": f"{MAX_AGE}s", "tokens.access_token_lifetime": "24h"}
    house = stage.house("r11", people=1, options=options, environment=clock.environment)
    published: dict[str, float] = {}
    signed: dict[str, float] = {}
    failed: list[str] = []
    counts = {"tokens": 0, "rotations": 0}
    stopped = threading.Event()
    # the clock moves between requests, never while one is under way: client and server agree on the time
    ticking = threading.Lock()

    def look(http: Http, since: float) -> None:
        """Notes which keys were published since that time, at the earliest."""
        for key in http.get("/oauth/jwks").json()["keys"]:
            published.setdefault(key["kid"], since)

    def ask(number: int) -> None:
        http = house.server.http()
        verifier, browser, kept = Verifier(house.server.http(), clock), Browser(http), list[str]()
        while not stopped.is_set():
            with ticking:
                try:
                    tokens = _tokens(house, http, browser) if number == 0 else [Tokens.of(own_token(http, house.app)).access]
                    for token in tokens:
                        kid = header_of(token)["kid"]
                        signed.setdefault(kid, clock.now())
                        counts["tokens"] += 1
                        if not verifier.check(token):
                            failed.append(f"a new token of key {kid}, by a key set of {clock.now() - verifier.fresh_until + MAX_AGE:.1f} s ago")
                    kept = (kept + tokens)[-50:]
                    old = random.choice(kept)
                    if not verifier.check(old):
                        failed.append(f"an older token of key {header_of(old)['kid']}")
                except (Unanswered, KeyError) as error:
                    failed.append(repr(error))
            time.sleep(0.001)

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(3)]
    http = house.server.http()
    look(http, clock.now() - 10 * MAX_AGE)
    for thread in threads:
        thread.start()
    rounds = 300 if stage.long else 12
    for _ in range(rounds):
        begun = clock.now()
        house.server.command("key", "rotate", *random.choice(([], [], ["--algorithm", "ES256"])))
        counts["rotations"] += 1
        time.sleep(0.3)
        look(http, begun)
        for _ in range(random.randint(1, 8)):
            with ticking:
                clock.set(clock.offset + random.uniform(2, MAX_AGE))
            time.sleep(0.05)
    stopped.set()
    for thread in threads:
        thread.join()
    early = {
        kid: round(at - published[kid], 1) for kid, at in signed.items() if kid in published and at - published[kid] < MAX_AGE
    }
    unseen = [kid for kid in signed if kid not in published]
    outcome.that(not failed, f"{len(failed)} failed verifications: {failed[:3]}")
    outcome.that(not early, f"keys that signed before they had been published for {MAX_AGE} s: {early}")
    outcome.that(not unseen, f"keys that signed and were never published: {unseen[:3]}")
    outcome.that(len(signed) > 3, f"only {len(signed)} keys ever signed")
    outcome.numbers |= {**counts, "keys that signed": len(signed), "hours passed": round(clock.offset / 3600, 1)}


def _tokens(house: House, http: Http, browser: Browser) -> list[str]:
    """Access and ID token of a person."""
    code, verifier = browser.authorize(house.app, house.people[0])
    tokens = Tokens.of(redeem(http, house.app, code, verifier))
    return [tokens.access, tokens.id_token]


