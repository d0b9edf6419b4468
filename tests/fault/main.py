"""Runs the faults and tells what came of each: a table, `target/fault/results.json`, and the exit status 0 if everything held,
1 if not."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

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
    ("R20", "r20_backup", "backups while it works"),
    ("R22", "r22_million", "a million principals and refresh tokens"),
    ("TIMING", "timing", "times that would tell who has an account"),
]
NAMES = [name for name, _, _ in FAULTS]
#: In the short form these run beside the others, one after the other in a process of their own: they wait most of the time,
#: and do without PostgreSQL.
BESIDE = ["R16", "R19", "R10", "R11", "R5", "R15", "R22"]

Row = dict[str, Any]


def main() -> int:
    """The whole run."""
    parser = argparse.ArgumentParser(prog="tests/fault/run", description="Breaks a running server in many ways, and checks what it had acknowledged.")
    parser.add_argument("--long", action="store_true", help="the full numbers, which take hours, one fault after the other")
    parser.add_argument("--only", metavar="R1,R8", help="only these: " + ", ".join(NAMES))
    parser.add_argument("--soak", metavar="SECONDS", type=int, help="for how long R16 goes on [default: 120, 7200 with --long]")
    parser.add_argument("--rows", metavar="FILE", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    chosen = arguments.only.upper().split(",") if arguments.only else list(NAMES)
    unknown = set(chosen) - set(NAMES)
    if unknown:
        parser.error(f"--only: expected some of {', '.join(NAMES)}, got {', '.join(sorted(unknown))}")
    # SystemExit, so that everything that was started is ended
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begun = time.monotonic()
    scratch = Path(os.environ["KEYWARD_FAULT_SCRATCH"])
    beside: list[str] = []
    if not arguments.long and not arguments.rows and len(chosen) > 1:
        beside = [name for name in BESIDE if name in chosen]
    other = Beside(beside, scratch) if beside else None
    rows: list[Row] = []
    try:
        rows = _lane([name for name in NAMES if name in chosen and name not in beside] if not arguments.rows else chosen, arguments, scratch)
        rows += other.rows() if other else []
        if not arguments.rows:
            rows = [_again(row, arguments, scratch) for row in rows]
    finally:
        if other:
            other.end()
    if arguments.rows:
        arguments.rows.write_text(json.dumps(rows))
    else:
        _tell(sorted(rows, key=lambda row: NAMES.index(row["name"])), arguments.long, time.monotonic() - begun)
    return 1 if any(row["result"] == "FAILED" for row in rows) else 0


class Beside:
    """The faults that run beside the others."""

    def __init__(self, names: list[str], scratch: Path) -> None:
        self.file, self.log = scratch / "beside.json", scratch / "beside.log"
        place = scratch / "beside"
        place.mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYWARD_FAULT_POSTGRES")}
        command = [sys.executable, str(Path(__file__)), "--only", ",".join(names), "--rows", str(self.file)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**environment, "KEYWARD_FAULT_SCRATCH": str(place)})

    def rows(self) -> list[Row]:
        """Waits until they are over, and tells what they told."""
        status = self.process.wait()
        print(self.log.read_text(), end="", flush=True)
        if not self.file.exists():
            raise RuntimeError(f"what ran beside ended with {status}")
        return json.loads(self.file.read_text())

    def end(self) -> None:
        """Ends them, where they are not over."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def _again(row: Row, arguments: argparse.Namespace, scratch: Path) -> Row:
    """Tries once more, by itself, what could not be carried out or was grossly slow: that may be the machine's fault. Where a
    fact did not hold, that is the result."""
    if row["result"] != "FAILED" or not row["facts held"]:
        return row
    place = scratch / "again"
    place.mkdir(exist_ok=True)
    [again] = _lane([row["name"]], arguments, place)
    again["notes"].append("at first: " + "; ".join(fault.strip().splitlines()[-1] for fault in row["faults"]))
    again["seconds"] = round(again["seconds"] + row["seconds"], 1)
    return again


def _lane(names: list[str], arguments: argparse.Namespace, scratch: Path) -> list[Row]:
    """These faults, one after the other."""
    postgres = Postgres.from_environment()
    binary, target = Path(os.environ["KEYWARD_BIN"]), Path(os.environ["KEYWARD_FAULT_TARGET"])
    known = {name: (module, title) for name, module, title in FAULTS}
    try:
        return [
            _one(Stage(binary, scratch / name, postgres, arguments.long, arguments.soak), name, *known[name], target) for name in names
        ]
    finally:
        if postgres:
            postgres.close()


def _one(stage: Stage, name: str, module: str, title: str, target: Path) -> Row:
    print(f"\n=== {name}: {title}", flush=True)
    begun = time.monotonic()
    outcome, result, broken = stage.outcome, "ok", []
    stage.scratch.mkdir(parents=True)
    busy = busyness()
    try:
        importlib.import_module(module).run(stage)
    except Skip as why:
        result = "skipped"
        outcome.notes.append(str(why))
    except Exception:
        broken.append(traceback.format_exc())
    finally:
        try:
            outcome.faults += stage.close()
        except Exception:
            broken.append(traceback.format_exc())
    facts_held = not outcome.faults
    outcome.faults += broken
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
    for slow in outcome.slow:
        print(f"    slow: {slow}")
    for fault in outcome.faults[:12]:
        print(f"    FAULT {fault}")
    if len(outcome.faults) > 12:
        print(f"    and {len(outcome.faults) - 12} more")
    print(f"    {result}, {seconds:.0f} s", flush=True)
    shutil.rmtree(stage.scratch, ignore_errors=True)
    return {
        "name": name, "title": title, "result": result, "seconds": round(seconds, 1), "numbers": outcome.numbers,
        "notes": outcome.notes, "slow": outcome.slow, "faults": outcome.faults, "facts held": facts_held,
    }


def _tell(rows: list[Row], long: bool, seconds: float) -> None:
    target = Path(os.environ["KEYWARD_FAULT_TARGET"])
    target.mkdir(parents=True, exist_ok=True)
    (target / "results.json").write_text(json.dumps({"long": long, "seconds": round(seconds, 1), "results": rows}, indent=2) + "\n")
    print()
    for row in rows:
        slow = f" ({len(row['slow'])} slow)" if row["slow"] else ""
        print(f"  {row['result']:8}{row['seconds']:6.0f} s  {row['name']:6} {row['title']}{slow}")
    print(f"  {'in all':8}{seconds:6.0f} s")


if __name__ == "__main__":
    sys.exit(main())
