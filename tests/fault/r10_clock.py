"""R10: the clock steps an hour ahead and back, five seconds back again and again, and over a leap day."""

from __future__ import annotations

import calendar
import time

from case import Outcome, Stage, facts, until
from clock import FakeClock
from mix import Load, ledgers
from people import Admin, Application, Browser, House, Tokens, expect, introspect, own_token, redeem
from smtp import Smtp

HOUR = 3600.0
#: `login.max_delay`: nobody is locked out for longer.
MAX_DELAY = 900


def run(stage: Stage) -> None:
    """Each step under load; nobody panics, nothing lives too long, nobody stays locked out."""
    outcome = stage.outcome
    clock, smtp = FakeClock(stage.scratch / "clock" / "offset"), Smtp()
    stage.closing.append(smtp.close)
    options = {
        **smtp.options(), "tokens.access_token_lifetime": "60s", "tokens.authorization_code_lifetime": "1m", "login.free_attempts": "3",
        "mail.rate": "600", "mail.caller_rate": "120",
    }
    house = stage.house("r10", people=5, options=options, environment=clock.environment)
    books = ledgers(house)[:3]
    _shown(house, clock, outcome)
    for name, steps in (
        ("an hour ahead and back", [HOUR, 0.0]),
        ("an hour back and ahead", [-HOUR, 0.0]),
        ("five seconds back, again and again", [-5.0 * step for step in range(1, 9)] + [0.0]),
        ("a leap day", [_until(2028, 2, 28), _until(2028, 2, 29), 0.0]),
    ):
        load = Load(house, books, pause=0.02).start()
        time.sleep(0.5)
        for step in steps:
            clock.set(step)
            time.sleep(0.5 if len(steps) > 4 else 3 if abs(step) > 2 * HOUR else 1)
        load.stop()
        outcome.that(house.server.is_running(), f"{name}: the server has ended")
        # tokens live a minute: what the load kept may be over after a step, and says so; nobody may fail otherwise
        strange = [fault for fault in load.faults if "a living token is not active" not in fault and "400" not in fault and "401" not in fault]
        outcome.that(not strange, f"{name}: {strange[:3]}")
        outcome.numbers[name] = dict(load.outcomes)
        for book in books:
            book.chains.clear()
            book.sessions.clear()
    for book in books:
        book.revoked.clear()
    outcome.add(facts(house, books, {role for book in books for role in book.roles}))
    _lives(house, clock, outcome)
    _lockout(house, clock, outcome)
    _mail(house, clock, smtp, outcome)
    _unsuspended(house, clock, outcome)


def _until(year: int, month: int, day: int) -> float:
    """The offset at which the clock is a second before that day ends."""
    return calendar.timegm((year, month, day, 23, 59, 59)) - time.time()


def _shown(house: House, clock: FakeClock, outcome: Outcome) -> None:
    """The clock is really moved: otherwise nothing here is tested."""
    clock.set(HOUR)
    admin = house.admin()
    made = expect(admin.send("PUT", "/iam/roles/clock:moved", {"description": "x"}), 201).json()["createdAt"]
    seconds = calendar.timegm(time.strptime(made[:19], "%Y-%m-%dT%H:%M:%S"))
    outcome.that(abs(seconds - clock.now()) < 5, f"the server's clock is not moved: {made}")
    clock.set(0)
    expect(house.admin().send("DELETE", "/iam/roles/clock:moved"), 200, 204)


def _lives(house: House, clock: FakeClock, outcome: Outcome) -> None:
    """A token ends when its time is over, wherever the clock was in between."""
    http, browser = house.server.http(), Browser(house.server.http())
    code, verifier = browser.authorize(house.app, house.people[3])
    tokens = Tokens.of(expect(redeem(http, house.app, code, verifier), 200))
    unused, verifier = browser.authorize(house.app, house.people[3])
    for offset, active in ((0.0, True), (-5.0, True), (61.0, False), (HOUR, False), (40.0, True), (61.0, False)):
        clock.set(offset)
        reply = introspect(http, house.app, tokens.access)
        outcome.that(reply.json().get("active") is active, f"a token of 60 s, {offset:+.0f} s later: {reply}")
    clock.set(61)
    reply = redeem(http, house.app, unused, verifier)
    outcome.that(reply.status == 400, f"a code of a minute, 61 s later: {reply}")
    clock.set(0)


def _lockout(house: House, clock: FakeClock, outcome: Outcome) -> None:
    """Who was locked out while the clock was wrong is not locked out for longer than ever allowed."""
    person, browser = house.people[4], Browser(house.server.http())
    clock.set(HOUR)
    for _ in range(8):
        browser.sign_in(person, "wrong")
    outcome.that(browser.sign_in(person, "wrong").status == 429, "nobody is locked out at all")
    clock.set(0)
    reply = browser.sign_in(person)
    if reply.status == 429:
        wait = int(reply.header("retry-after") or 10**9)
        outcome.that(wait <= MAX_DELAY, f"locked out for {wait} s after the clock was set right")
        clock.set(wait + 1)
        reply = browser.sign_in(person)
    outcome.that(reply.status == 303, f"still locked out: {reply}")
    clock.set(0)


def _mail(house: House, clock: FakeClock, smtp: Smtp, outcome: Outcome) -> None:
    """Mail goes on after the clock was ahead for a while."""
    admin = house.admin()
    document = {"to": "somebody@example.org", "subject": "Hello", "body": {"plainText": "Hello"}}
    clock.set(HOUR)
    admin.forget_token()
    ids = [expect(admin.send("POST", "/sendings/email", document), 202).json()["sendingId"]]
    clock.set(0)
    admin.forget_token()
    reply = admin.send("POST", "/sendings/email", document)
    if outcome.that(reply.status == 202, f"no mail may be sent after the clock was an hour ahead: {reply}, Retry-After {reply.header('retry-after')}"):
        ids.append(reply.json()["sendingId"])
    arrived = until(lambda: all(any(name.startswith(identity) for name in smtp.accepted) for identity in ids), 30)
    outcome.that(arrived is not None, "a mail does not leave after the clock was an hour ahead")


def _unsuspended(house: House, clock: FakeClock, outcome: Outcome) -> None:
    """A client that was suspended while the clock was ahead, and may act again, can."""
    admin = house.admin()
    app: Application = admin.make_application("clocked", redirectUris=[], grantTypes=["client_credentials"], scopes=[])
    clock.set(HOUR)
    admin = Admin(house.server.http())
    expect(admin.send("POST", "/iam/clients/clocked/suspend"), 200, 204)
    expect(admin.send("POST", "/iam/clients/clocked/unsuspend"), 200, 204)
    clock.set(0)
    http = house.server.http()
    token = Tokens.of(expect(own_token(http, app), 200)).access
    reply = introspect(http, app, token)
    outcome.that(reply.json().get("active") is True, f"a token just issued does not hold, after a suspension while the clock was ahead: {reply}")
