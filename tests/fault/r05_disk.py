"""R5: the disk is full while the server writes (a small file system of its own; needs root)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from pathlib import Path

from case import Outcome, Skip, Stage, check_database, facts
from http_client import Unanswered
from mix import Load, ledgers
from people import Browser, House, Refused, introspect, own_token

SIZE = "48m"
HEALED = 5.0


def run(stage: Stage) -> None:
    """Fills the disk under load, looks what goes on, and makes room."""
    if os.geteuid() != 0:
        raise Skip("needs root, to mount a small file system")
    place = stage.scratch / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "keyward-fault", str(place)], capture_output=True, text=True)
    if mounted.returncode:
        raise Skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        for number in range(5 if stage.long else 1):
            _once(stage, place / str(number))
    finally:
        for server in stage.servers:
            server.kill()
        subprocess.run(["umount", "-l", str(place)], check=False)


def _once(stage: Stage, directory: Path) -> None:
    outcome = stage.outcome
    house = stage.house("r5", options={"tokens.access_token_lifetime": "24h"})
    # the data moves to the small file system; the log stays outside
    house.server.terminate()
    house.server.wait(20)
    directory.mkdir()
    subprocess.run(["cp", "-a", str(house.server.directory / "data") + "/.", str(directory)], check=True)
    subprocess.run(["rm", "-r", str(house.server.directory / "data")], check=True)
    (house.server.directory / "data").symlink_to(directory)
    house.server.start()
    # somebody who was last seen two minutes ago, and is seen again when nothing can be written
    idle = Browser(house.server.http())
    idle.sign_in(house.people[-1])
    with sqlite3.connect(house.server.directory / "data" / "keyward.db", timeout=5) as database:
        database.execute("UPDATE session SET last_active_at = last_active_at - 120000")
    database.close()
    books = ledgers(house)[:-1]
    load = Load(house, books).start()
    time.sleep(1)
    filler = directory.parent / "filler"
    _fill(filler)
    full = time.monotonic()
    while load.outcomes["503"] == 0 and time.monotonic() - full < 10:
        time.sleep(0.05)
        _fill(filler)
    outcome.that(load.outcomes["503"] > 0, f"nothing was answered with 503 on a full disk: {dict(load.outcomes)}")
    time.sleep(1)
    load.stop()
    _reads(house, idle, outcome)
    again = Load(house, books).start()
    time.sleep(0.5)
    filler.unlink()
    room, healed = time.monotonic(), None
    while time.monotonic() - room < 6 * HEALED and healed is None:
        if _works(house):
            healed = time.monotonic() - room
        time.sleep(0.05)
    time.sleep(0.5)
    again.stop()
    outcome.that(house.server.is_running(), "the server has ended")
    outcome.that(healed is not None, "it does not write again within 30 s of having room")
    outcome.within(healed or 99, HEALED, "writes again after there was room")
    strange = load.faults + again.faults
    outcome.that(not strange, f"under load: {strange[:4]}")
    outcome.numbers["outcomes"] = dict(load.outcomes + again.outcomes)
    outcome.numbers["healed"] = f"{healed or 99:.2f} s"
    outcome.add(facts(house, books))
    house.server.kill()
    house.server.start()
    outcome.add(facts(house, books))
    check_database(house, None, outcome, 10**9, 10**9)


def _fill(filler: Path) -> None:
    """Writes until nothing more fits."""
    with filler.open("ab", buffering=0) as out:
        for size in (1 << 20, 1 << 16, 1 << 12):
            try:
                while True:
                    out.write(b"\0" * size)
            except OSError:
                pass


def _reads(house: House, idle: Browser, outcome: Outcome) -> None:
    """What reads goes on: introspection, key set, lists, and the pages of who is signed in."""
    http, admin = house.server.http(), house.admin()
    token = own_token(http, house.app)
    outcome.that(token.status == 200, f"full: a token that nothing is written for: {token}")
    for path in ("/oauth/jwks", "/.well-known/openid-configuration", "/health/ready", "/health/live", "/login"):
        reply = http.get(path)
        outcome.that(reply.status == 200, f"full: {path}: {reply}")
    for _ in range(3):
        reply = admin.send("GET", "/iam/roles?limit=5")
        outcome.that(reply.status == 200, f"full: a list: {reply}")
    if token.status == 200:
        reply = introspect(http, house.app, token.json()["access_token"])
        outcome.that(reply.status == 200 and reply.json()["active"], f"full: introspection: {reply}")
    write = admin.send("PUT", "/iam/roles/full:role", {"description": "x" * 500})
    outcome.that(write.status in (201, 503), f"full: a write: {write}")
    outcome.that(write.status != 503 or bool(write.header("retry-after")), f"full: 503 without Retry-After: {write}")
    try:
        outcome.that(idle.copy(http).is_signed_in(), "full: somebody who is signed in is not")
    except Refused as refused:
        outcome.that(False, f"full: the account page of somebody who was last seen two minutes ago: {refused.reply.status}")


def _works(house: House) -> bool:
    http = house.server.http(timeout=5)
    try:
        return Browser(http).sign_in(house.people[-1]).status in (303, 422)
    except Unanswered:
        return False
    finally:
        http.close()
