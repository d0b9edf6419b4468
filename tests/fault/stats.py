"""Numbers: percentiles and slopes."""

from __future__ import annotations

import time
from typing import Sequence


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part (0 to 1) of the values does not exceed; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def millis(seconds: float) -> str:
    """A time for people."""
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def median(values: Sequence[float]) -> float:
    """The middle."""
    return percentile(values, 0.5)


def busyness(work: float = 0.1) -> float:
    """How much longer than alone something takes on this machine now: 1.0 where nobody else is at work."""
    begun, spent = time.monotonic(), time.thread_time()
    while time.thread_time() - spent < work:
        pass
    return (time.monotonic() - begun) / (time.thread_time() - spent)
