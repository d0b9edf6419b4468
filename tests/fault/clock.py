"""The clock of a server, moved while it runs: Debian's libfaketime, told by a file. Only the time of day moves; what waits for a
while (the monotonic clock) is left alone, as when an administrator or NTP sets the clock."""

from __future__ import annotations

import glob
import os
import time
from pathlib import Path

from case import Skip


class FakeClock:
    """The distance of a server's clock from the real one, in seconds."""

    def __init__(self, file: Path) -> None:
        libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not libraries:
            raise Skip("libfaketime is not installed (Debian: apt-get install libfaketime)")
        self.file, self.offset = file, 0.0
        file.parent.mkdir(parents=True, exist_ok=True)
        self.set(0)
        self.environment = {
            "LD_PRELOAD": libraries[0], "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1", "TZ": "UTC",
        }

    def set(self, offset: float) -> None:
        """Moves the clock."""
        self.offset = offset
        part = self.file.with_suffix(".part")
        part.write_text(f"{offset:+.3f}\n")
        os.replace(part, self.file)

    def now(self) -> float:
        """What the server's clock shows."""
        return time.time() + self.offset
