"""The program under test: started, killed, stopped, and asked for what the system knows of its process."""

from __future__ import annotations

import glob
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from http_client import Http, Unanswered

ROOT_CLIENT = "root"
ROOT_SECRET = "fault-root-secret-0123456789abcdefghij"
MASTER_KEY = "a master key for fault tests, 0123456789abcdef"
PASSWORD = "Correct-Horse-Battery-9"

#: Makes logins cheap and tests of many of them possible; a fault that is about their cost sets it back.
CHEAP = {
    "passwords.argon2_memory_kib": "64",
    "passwords.argon2_iterations": "1",
    "passwords.answer_floor": "0s",
    "login.free_attempts": "1000",
    "login.free_attempts_address": "100000",
    "tokens.authorization_code_lifetime": "10m",
    "tokens.refresh_replay_window": "2m",
    "log.level": "info",
}


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One `keyward serve` with a directory, a port and an issuer of its own, which it keeps over restarts."""

    def __init__(
        self,
        binary: Path,
        directory: Path,
        options: dict[str, str] | None = None,
        database: str | None = None,
        issuer: str | None = None,
        environment: dict[str, str] | None = None,
        prefix: list[str] | None = None,
    ) -> None:
        self.binary, self.directory, self.database = binary, directory, database
        self.port = free_port()
        self.issuer = issuer or f"http://localhost:{self.port}"
        self.host = self.issuer.split("//", 1)[1]
        self.options = {**CHEAP, **(options or {})}
        self.prefix = prefix or []
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "RUST_BACKTRACE": "1",
            "KEYWARD_BOOTSTRAP_CLIENT_ID": ROOT_CLIENT,
            "KEYWARD_BOOTSTRAP_CLIENT_SECRET": ROOT_SECRET,
            **({"KEYWARD_MASTER_KEY": MASTER_KEY} if database else {}),
            **(environment or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def _place(self) -> list[str]:
        """Where the data is, for every command."""
        data = ["--data-dir", str(self.directory / "data"), "--issuer", self.issuer]
        return data + (["--database-url", self.database] if self.database else [])

    def _set(self) -> list[str]:
        return [part for key, value in self.options.items() for part in ("--set", f"{key}={value}")]

    def start(self, wait: float = 60.0) -> float:
        """Starts it and waits until it is ready; the seconds that took."""
        begun = time.monotonic()
        command = [*self.prefix, str(self.binary), "serve", "--listen", f"127.0.0.1:{self.port}", *self._place(), *self._set()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment, cwd=self.directory
            )
        if not self.until_ready(wait):
            raise RuntimeError(f"the server was not ready within {wait} s:\n{self.tail()}")
        return time.monotonic() - begun

    def until_ready(self, wait: float) -> bool:
        """Waits until it says that it is ready; whether it did."""
        until = time.monotonic() + wait
        while time.monotonic() < until:
            if self.process and self.process.poll() is not None:
                return False
            if self.is_ready():
                return True
            time.sleep(0.01)
        return False

    def is_ready(self) -> bool:
        """Whether `/health/ready` answers 200 now."""
        http = Http(self.port, self.host, timeout=2)
        try:
            return http.get("/health/ready").status == 200
        except Unanswered:
            return False
        finally:
            http.close()

    def http(self, timeout: float = 15.0) -> Http:
        """A connection to it."""
        return Http(self.port, self.host, timeout)

    def command(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a command of the program beside the server, on the same data."""
        options = [f"--set={key}={value}" for key, value in self.options.items()]
        return subprocess.run(
            [*self.prefix, str(self.binary), *arguments, *self._place(), *options],
            input=stdin, capture_output=True, text=True, env=self.environment, cwd=self.directory, check=check, timeout=timeout,
        )

    def kill(self) -> None:
        """SIGKILL, as a power cut of the process."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
            # libfaketime cannot tidy up after a process that was killed
            for left in glob.glob(f"/dev/shm/*faketime_*_{self.process.pid}"):
                Path(left).unlink(missing_ok=True)

    def terminate(self) -> None:
        """SIGTERM."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> int | None:
        """The exit status; none if it still runs after this time."""
        try:
            return self.process.wait(timeout) if self.process else None
        except subprocess.TimeoutExpired:
            return None

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def panics(self) -> list[str]:
        """What the log tells of panics."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if "panicked" in line]

    def memory(self) -> int:
        """Resident anonymous memory in KiB (0 where the process is gone)."""
        return self._status("RssAnon")

    def descriptors(self) -> int:
        """Open file descriptors."""
        try:
            return len(os.listdir(f"/proc/{self.process.pid}/fd")) if self.process else 0
        except OSError:
            return 0

    def _status(self, name: str) -> int:
        try:
            text = Path(f"/proc/{self.process.pid}/status").read_text() if self.process else ""
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(name + ":")), 0)
