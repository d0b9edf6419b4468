"""R6: 256 MiB of memory during a storm of logins and of passwords of a megabyte.

Where the memory cgroup (version 2) can be used, the kernel kills who needs more. Elsewhere the resident memory is looked at
fifty times a second instead: its peak must stay below the limit.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

from case import Stage, until
from http_client import Unanswered
from people import Browser, House

LIMIT = 256 << 20
GROUPS = Path("/sys/fs/cgroup")


def _group() -> Path | None:
    """A cgroup of our own with the limit, below our own one, if that is allowed here."""
    if os.geteuid() != 0 or not (GROUPS / "cgroup.controllers").exists():
        return None
    own = GROUPS / Path("/proc/self/cgroup").read_text().strip().rsplit(":", 1)[1].lstrip("/")
    group = own / f"keyward-fault-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.max").write_text(str(LIMIT))
        (group / "memory.swap.max").write_text("0")
        return group
    except OSError:
        if group.exists():
            group.rmdir()
        return None


def run(stage: Stage) -> None:
    """Logins at their real cost, half of them with the largest password that is read at all or more."""
    outcome = stage.outcome
    options = {"passwords.argon2_memory_kib": "19456", "passwords.argon2_iterations": "2", "log.level": "warn", "limits.body_bytes": "2097152"}
    house = stage.house("r6", people=4, options=options)
    group = _group()
    if group:
        (group / "cgroup.procs").write_text(str(house.server.process.pid))  # type: ignore[union-attr]
    else:
        outcome.notes.append("no memory cgroup (version 2) can be used here: the peak of resident memory is looked at instead")
    seconds = 120 if stage.long else 10
    over, counts, peak = time.monotonic() + seconds, Counter[int](), [0]

    def watch() -> None:
        while time.monotonic() < over:
            peak[0] = max(peak[0], house.server.memory())
            time.sleep(0.02)

    threads = [threading.Thread(target=watch, daemon=True)]
    threads += [threading.Thread(target=_storm, args=(house, number, over, counts), daemon=True) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.that(house.server.is_running(), "the server was killed")
    if house.server.is_running():
        outcome.that(peak[0] * 1024 < LIMIT, f"{peak[0] / 1024:.0f} MiB of memory")
        outcome.that(until(house.server.is_ready, 15) is not None, "not ready afterwards")
    strange = {status: count for status, count in counts.items() if status not in (303, 400, 413, 422, 429, 503)}
    outcome.that(not strange, f"answers (0 is none): {strange}")
    outcome.numbers |= {"answers": dict(counts), "peak of anonymous memory": f"{peak[0] / 1024:.0f} MiB"}
    house.server.kill()
    if group:
        group.rmdir()


def _storm(house: House, number: int, over: float, counts: Counter[int]) -> None:
    http = house.server.http(timeout=30)
    person, browser = house.people[number % len(house.people)], Browser(http)
    try:
        page = browser.get("/login")
    except Unanswered:
        return
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.body.decode())
    password = person.password if number % 2 == 0 else "x" * (1_000_000 if number % 4 == 1 else 3_000_000)
    body = f"csrf_token={quote(token[1] if token else '')}&request=&username={quote(person.email)}&sign_in=true&password=".encode()
    body += password.encode()
    headers = {**browser.headers(), "Content-Type": "application/x-www-form-urlencoded"}
    while time.monotonic() < over:
        try:
            reply = http.request("POST", "/login", body, headers)
            counts[reply.status] += 1
            if reply.status in (429, 503):
                time.sleep(0.05)
        except Unanswered as error:
            # who sends more than is read may be cut off while sending
            counts[0 if error.sent_at else 413] += 1
