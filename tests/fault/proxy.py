"""A TCP proxy in a process of its own: it passes bytes on, delays them, keeps them, cuts, or refuses, as it is told.

With several targets it is a plain balancer: each connection goes to the next target that accepts one. As a program it reads
commands from standard input, one a line, and answers each with a line:

    pass | hang | cut | refuse | delay SECONDS | trickle SECONDS | targets PORT...
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

CHUNK = 65_536


class Proxy:
    """The proxy as its user sees it. `port` is where it listens."""

    def __init__(self, *targets: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), *map(str, targets)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._line())

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def tell(self, command: str) -> None:
        """Tells it what to do from now on; returns when it does."""
        assert self._process.stdin
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        if self._line() != "done":
            raise RuntimeError(f"the proxy did not understand: {command}")

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()


class _Relay:
    """The proxy itself."""

    def __init__(self, targets: list[int]) -> None:
        self.targets = targets
        self.turn = 0
        self.mode, self.seconds = "pass", 0.0
        self.open: set[asyncio.StreamWriter] = set()
        self.changed = asyncio.Event()
        self.server: asyncio.Server | None = None
        self.port = 0

    async def listen(self) -> None:
        """Accepts connections, on the same port as before."""
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", self.port, backlog=1024)
        self.port = self.server.sockets[0].getsockname()[1]

    async def obey(self, command: str) -> None:
        """Does what it was told."""
        mode, *rest = command.split()
        if mode == "targets":
            self.targets = [int(port) for port in rest]
            return
        self.mode, self.seconds = mode, float(rest[0]) if rest else 0.0
        self.changed.set()
        self.changed = asyncio.Event()
        if mode in ("cut", "refuse"):
            for writer in list(self.open):
                writer.transport.abort()
        if mode == "refuse" and self.server:
            self.server.close()
            self.server = None
        elif mode != "refuse" and self.server is None:
            await self.listen()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.open.add(writer)
        try:
            if self.mode == "cut":
                writer.transport.abort()
                return
            while self.mode == "hang":
                await self.changed.wait()
            upstream = await self.connect()
            if upstream is None:
                writer.transport.abort()
                return
            self.open.add(upstream[1])
            await asyncio.gather(self.pump(reader, upstream[1], True), self.pump(upstream[0], writer, False))
            self.open.discard(upstream[1])
            upstream[1].close()
        except OSError:
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to the next target that accepts one."""
        for _ in range(len(self.targets)):
            self.turn += 1
            try:
                return await asyncio.open_connection("127.0.0.1", self.targets[self.turn % len(self.targets)])
            except OSError:
                continue
        return None

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, forth: bool) -> None:
        """Passes on one direction, in the present mode."""
        try:
            while chunk := await reader.read(CHUNK):
                while self.mode == "hang":
                    await self.changed.wait()
                if self.mode == "delay" and forth:
                    await asyncio.sleep(self.seconds)
                if self.mode == "trickle":
                    for byte in chunk:
                        writer.write(bytes([byte]))
                        await writer.drain()
                        await asyncio.sleep(self.seconds)
                    continue
                writer.write(chunk)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            writer.transport.abort()


async def _serve(targets: list[int]) -> None:
    relay = _Relay(targets)
    await relay.listen()
    print(relay.port, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await relay.obey(line.strip())
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(_serve([int(port) for port in sys.argv[1:]]))
