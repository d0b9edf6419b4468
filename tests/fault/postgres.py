"""The PostgreSQL server of the test: databases on it, and what can happen to it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit


class Postgres:
    """A server that the entry script has made, which may be stopped and started here."""

    def __init__(self, binaries: Path, data: Path, url: str) -> None:
        self.binaries, self.data, self.url = binaries, data, url
        self.port = urlsplit(url).port or 5432
        self._started: subprocess.Popen[bytes] | None = None

    @staticmethod
    def from_environment() -> Postgres | None:
        """The one that the entry script tells of, if it does."""
        if "KEYWARD_FAULT_POSTGRES_URL" not in os.environ:
            return None
        return Postgres(
            Path(os.environ["KEYWARD_FAULT_POSTGRES_BIN"]),
            Path(os.environ["KEYWARD_FAULT_POSTGRES_DATA"]),
            os.environ["KEYWARD_FAULT_POSTGRES_URL"],
        )

    def database(self, name: str, port: int | None = None) -> str:
        """Makes a database; its URL, by way of another port if one is given."""
        self.query("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.query("postgres", f'CREATE DATABASE "{name}"')
        return self.through(name, port or self.port)

    def through(self, name: str, port: int) -> str:
        """The URL of a database by way of this port."""
        parts = urlsplit(self.url)
        return f"postgres://{parts.username}:{parts.password}@127.0.0.1:{port}/{name}"

    def query(self, database: str, statement: str) -> list[list[str]]:
        """What a statement returns, as text."""
        done = subprocess.run(
            [str(self.binaries / "psql"), "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-c", statement,
             self.through(database, self.port)],
            capture_output=True, text=True, timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"{statement}: {done.stderr}")
        return [line.split("\x1f") for line in done.stdout.splitlines() if line]

    def _pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def _send(self, number: int) -> int:
        pid = self._pid()
        os.kill(pid, number)
        return pid

    def stop(self) -> None:
        """A fast shutdown; returns when it is gone."""
        self._gone(self._send(signal.SIGINT))

    def kill(self) -> None:
        """SIGKILL to the whole server; its data must recover."""
        pid = self._pid()
        children = [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(int(name)) == pid]
        for process in [pid, *children]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._gone(pid)

    def freeze(self) -> list[int]:
        """SIGSTOP to all of it: connections are accepted by the kernel and never answered. Who was frozen."""
        pid = self._pid()
        frozen = [pid, *(int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(int(name)) == pid)]
        for process in frozen:
            try:
                os.kill(process, signal.SIGSTOP)
            except ProcessLookupError:
                pass
        return frozen

    @staticmethod
    def thaw(frozen: list[int]) -> None:
        """Lets it go on."""
        for process in frozen:
            try:
                os.kill(process, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def _gone(self, pid: int) -> None:
        for _ in range(1000):
            if self._started and self._started.pid == pid:
                self._started.poll()
            state = _state(pid)
            if state in ("", "Z"):
                return
            time.sleep(0.01)
        raise RuntimeError("PostgreSQL does not stop")

    def start(self) -> None:
        """Starts it again and waits until it answers."""
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with open(self.data.parent / "again.log", "ab") as log:
            self._started = subprocess.Popen(
                [*as_user, str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(self.port),
                 "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.data,
            )
        ready = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(600):
            if subprocess.run(ready).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL does not start")

    def close(self) -> None:
        """Stops what was started here."""
        if self._started and self._started.poll() is None:
            self._started.send_signal(signal.SIGINT)
            self._started.wait(30)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return ""
