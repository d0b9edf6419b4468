"""Runs the faults, one after the other, and tells what came of each: a table, `target/fault/results.json`, and the exit
status 0 if everything held, 1 if not."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

from case import Skip, Stage
from postgres import Postgres
from stats import busyness

#: Name, module, and what it does.
FAULTS = [
    ("R1", "r01_kill", "kill -9 under mixed load"),
    ("NODES", "nodes", "several servers on one PostgreSQL"),
    ("R5", "r05_disk", "disk full while it writes"),
    ("R6", "r06_memory", "256 MiB of memory in a storm of logins"),
    ("R8", "r08_database", "PostgreSQL stopped, killed, refusing, frozen, slow"),
    ("R10", "r10_clock", "a clock that steps"),
    ("R11", "r11_keys", "signing keys rotated again and again"),
    ("R15", "r15_stop", "SIGTERM under load"),
    ("R16", "r16_soak", "the mix for a long time"),
    ("R17", "r17_overload", "ten times the capacity, on login and token"),
    ("R18", "r18_slow", "a thousand slow clients"),
    ("R19", "r19_mail", "a mail server that hangs, resets, dawdles"),
    ("R20", "r20_backup", "a backup while it works"),
    ("R22", "r22_million", "a million principals and refresh tokens"),
]


def main() -> int:
    """The whole run."""
    parser = argparse.ArgumentParser(prog="tests/fault/run", description="Breaks a running server in many ways, and checks what it had acknowledged.")
    parser.add_argument("--long", action="store_true", help="the full numbers, which take hours")
    parser.add_argument("--only", metavar="R1,R8", help="only these: " + ", ".join(name for name, _, _ in FAULTS))
    arguments = parser.parse_args()
    chosen = arguments.only.upper().split(",") if arguments.only else [name for name, _, _ in FAULTS]
    unknown = set(chosen) - {name for name, _, _ in FAULTS}
    if unknown:
        parser.error(f"--only: expected some of {', '.join(name for name, _, _ in FAULTS)}, got {', '.join(sorted(unknown))}")
    postgres = Postgres.from_environment()
    binary, scratch = Path(os.environ["KEYWARD_BIN"]), Path(os.environ["KEYWARD_FAULT_SCRATCH"])
    target = Path(os.environ["KEYWARD_FAULT_TARGET"])
    rows: list[dict[str, object]] = []
    try:
        for name, module, title in FAULTS:
            if name in chosen:
                rows.append(_one(Stage(binary, scratch / name, postgres, arguments.long), name, module, title, target))
    finally:
        if postgres:
            postgres.close()
    target.mkdir(parents=True, exist_ok=True)
    (target / "results.json").write_text(json.dumps({"long": arguments.long, "results": rows}, indent=2) + "\n")
    print()
    for row in rows:
        print(f"  {row['result']:8}{row['seconds']:6.0f} s  {row['name']:6} {row['title']}")
    return 1 if any(row["result"] == "FAILED" for row in rows) else 0


def _one(stage: Stage, name: str, module: str, title: str, target: Path) -> dict[str, object]:
    print(f"\n=== {name}: {title}", flush=True)
    begun = time.monotonic()
    outcome, result = stage.outcome, "ok"
    stage.scratch.mkdir(parents=True)
    busy = busyness()
    try:
        importlib.import_module(module).run(stage)
    except Skip as why:
        result = "skipped"
        outcome.notes.append(str(why))
    except Exception:
        outcome.faults.append(traceback.format_exc())
    try:
        outcome.faults += stage.close()
    except Exception:
        outcome.faults.append(traceback.format_exc())
    outcome.judge(max(busy, busyness()))
    if outcome.faults:
        result = "FAILED"
        logs = target / "logs" / name
        shutil.rmtree(logs, ignore_errors=True)
        for log in stage.scratch.glob("*/log"):
            logs.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, logs / f"{log.parent.name}.log")
    seconds = time.monotonic() - begun
    for key, value in outcome.numbers.items():
        print(f"    {key}: {value}")
    for note in outcome.notes:
        print(f"    note: {note}")
    for fault in outcome.faults[:12]:
        print(f"    FAULT {fault}")
    if len(outcome.faults) > 12:
        print(f"    and {len(outcome.faults) - 12} more")
    print(f"    {result}, {seconds:.0f} s", flush=True)
    shutil.rmtree(stage.scratch, ignore_errors=True)
    return {
        "name": name, "title": title, "result": result, "seconds": round(seconds, 1),
        "numbers": outcome.numbers, "notes": outcome.notes, "faults": outcome.faults,
    }


if __name__ == "__main__":
    sys.exit(main())
