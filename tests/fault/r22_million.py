"""R22: a million principals and a million refresh tokens: the start, and what an act costs then."""

from __future__ import annotations

import sqlite3
import time

from case import Skip, Stage
from mix import Load, ledgers
from people import furnish
from stats import millis, percentile

COUNT = 1_000_000
START = 3.0

GRANTS = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
    INSERT INTO oauth_grant (id, client_id, principal_id, session_id, scope, details, auth_time, offline, created_at, expires_at)
    SELECT 'made-up-' || i, :client, :principal, NULL, 'openid offline_access', :details, :now, TRUE, :now, :end FROM n
"""
TOKENS = """
    INSERT INTO refresh_token (hash, grant_id, created_at, expires_at)
    SELECT 'made-up-' || id, id, created_at, expires_at FROM oauth_grant WHERE id LIKE 'made-up-%'
"""


def run(stage: Stage) -> None:
    """Long form only: filling takes many minutes."""
    if not stage.long:
        raise Skip("only with --long: a million principals take many minutes to make")
    outcome = stage.outcome
    server = stage.server("r22", options={"log.level": "warn"})
    begun = time.monotonic()
    server.command("dev", "fill", "--principals", str(COUNT), "--clients", "1000", timeout=7200)
    outcome.numbers["filling took"] = f"{time.monotonic() - begun:.0f} s"
    server.start()
    house = furnish(server)
    books = ledgers(house)
    load = Load(house, books).start()
    time.sleep(2)
    load.stop()
    server.terminate()
    server.wait(30)
    with sqlite3.connect(server.directory / "data" / "keyward.db", timeout=60) as database:
        details = database.execute("SELECT details FROM oauth_grant LIMIT 1").fetchone()[0]
        now = int(time.time() * 1000)
        values = {
            "count": COUNT, "client": house.app.id, "principal": house.people[0].id, "details": details, "now": now, "end": now + 10**9,
        }
        database.execute(GRANTS, values)
        database.execute(TOKENS)
    database.close()
    outcome.within(server.start(), START, "ready with a million principals and refresh tokens")
    load = Load(house, books, admin=False).start()
    time.sleep(20)
    load.stop()
    outcome.that(not load.faults, f"under load: {load.faults[:3]}")
    took = [took for _, took in load.times]
    outcome.within(percentile(took, 0.99), 0.25, "an act, p99")
    outcome.numbers |= {"acts": len(took), "p50/p99 of an act": f"{millis(percentile(took, 0.5))} / {millis(percentile(took, 0.99))}"}
    outcome.numbers["memory"] = f"{server.memory() / 1024:.0f} MiB"
