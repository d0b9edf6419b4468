"""An SMTP server that counts what it accepts, in a thread of its own; it may hang, reset, or answer a byte a second."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections import Counter


class Smtp:
    """Listens on a port of loopback. `mode`: `accept`, `hang`, `reset`, `slow`."""

    def __init__(self) -> None:
        self.mode = "accept"
        self.accepted: Counter[str] = Counter()
        self.connections = 0
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def options(self) -> dict[str, str]:
        """The server's options to send by it."""
        return {
            "mail.host": "127.0.0.1", "mail.port": str(self.port), "mail.security": "none",
            "mail.from": "no-reply@keyward.example", "mail.rate": "60000", "mail.caller_rate": "60000",
        }

    def close(self) -> None:
        """Listens no more."""
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _say(self, connection: socket.socket, text: str) -> None:
        data = f"{text}\r\n".encode()
        if self.mode == "slow":
            for byte in data:
                if self.mode != "slow":
                    break
                connection.sendall(bytes([byte]))
                time.sleep(1)
            else:
                return
        while self.mode == "hang":
            time.sleep(0.05)
        if self.mode == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionResetError
        connection.sendall(data)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as lines:
                self._say(connection, "220 fault.example ESMTP")
                while line := lines.readline():
                    verb = line[:4].upper().strip()
                    if verb == b"EHLO":
                        self._say(connection, "250 fault.example")
                    elif verb == b"DATA":
                        self._say(connection, "354 go on")
                        content = b"".join(iter(lines.readline, b".\r\n"))
                        name = re.search(rb"^Message-ID: *<([^>]+)>", content, re.I | re.M)
                        with self._lock:
                            self.accepted[name[1].decode() if name else "?"] += 1
                        self._say(connection, "250 accepted")
                    elif verb == b"QUIT":
                        self._say(connection, "221 bye")
                        return
                    else:
                        self._say(connection, "250 ok")
        except OSError:
            pass
