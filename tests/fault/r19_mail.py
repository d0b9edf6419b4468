"""R19: the mail server hangs, resets, answers a byte a second."""

from __future__ import annotations

import time

from case import Stage, until
from people import Admin, Browser, expect
from smtp import Smtp
from stats import millis

#: A request that has mail sent must not wait for the mail server.
PATIENCE = 0.5


def run(stage: Stage) -> None:
    """Mails are handed in while the mail server is in each of its moods, and over a kill; all arrive when it is well."""
    outcome, smtp = stage.outcome, Smtp()
    stage.closing.append(smtp.close)
    options = {**smtp.options(), "mail.timeout": "2s", "mail.retry_delays": "3s,6s,30s", "mail.acceptance_timeout": "5s", "mail.caller_rate": "60000"}
    house = stage.house("r19", people=3, options=options)
    server, admin = house.server, house.admin()
    ids: list[str] = []
    slowest = 0.0

    def hand_in(count: int) -> float:
        worst = 0.0
        for number in range(count):
            document = {"to": "somebody@example.org", "subject": f"Mail {number}", "body": {"plainText": "Hello " * 50}}
            reply = expect(admin.send("POST", "/sendings/email", document), 202)
            worst = max(worst, reply.took)
            ids.append(reply.json()["sendingId"])
        # a person signs in with a new browser, of which they are told by mail
        begun = time.monotonic()
        Browser(server.http()).sign_in(house.people[0])
        outcome.within(time.monotonic() - begun, 2 * PATIENCE, "a sign-in that a mail tells of")
        return worst

    for mood in ("hang", "reset", "slow"):
        smtp.mode = mood
        took = hand_in(200 if stage.long else 30)
        slowest = max(slowest, took)
        outcome.within(took, PATIENCE, f"{mood}: handing in a mail")
        time.sleep(2.5)
        waiting = _status(admin, ids[-30:])
        outcome.that(waiting.get("sent", 0) == 0 or mood == "slow", f"{mood}: {waiting}")
        # the queue is in the database
        server.kill()
        server.start()
        admin = house.admin()
        smtp.mode = "accept"
        time.sleep(1)
    smtp.mode = "accept"
    # what a server had under way when it was killed waits for the end of its lease: two connections, three kills
    under_lease = 0 if stage.long else 6
    settled = until(lambda: _status(admin, ids).get("pending", 0) <= under_lease, 150 if stage.long else 40, every=0.3)
    outcome.that(settled is not None, f"not settled: {_status(admin, ids)}")
    statuses = _status(admin, ids)
    arrived = {name.split("@")[0] for name in smtp.accepted}
    lost = [name for name in ids if name not in arrived]
    failed, pending = statuses.get("failed", 0), statuses.get("pending", 0)
    outcome.that(len(lost) <= failed + pending, f"{len(lost)} mails were lost; {statuses}")
    outcome.that(failed == 0, f"{failed} of {len(ids)} mails were given up")
    double = {name: times for name, times in smtp.accepted.items() if times > 1}
    # killed between the mail server's word and the note of it: once for each connection and kill at most
    outcome.that(len(double) <= 3 * 2, f"{len(double)} mails came twice")
    outcome.numbers |= {"mails": len(ids), "slowest to hand in": millis(slowest), "came twice": len(double), "still under a dead server's lease": pending, "connections": smtp.connections}


def _status(admin: Admin, ids: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for identity in ids:
        status = expect(admin.send("GET", f"/sendings/{identity}"), 200).json()["status"]
        counts[status] = counts.get(status, 0) + 1
    return counts
