"""How long student code may take: CPU time of its own processes, with wall time behind it.

A machine that does other work as well, grading others among it, makes code slower by
the clock, but not by its CPU time: that is what limits count. Code that waits uses
none, so each limit has a backstop by the clock, :data:`PATIENCE` times as long.
"""

from __future__ import annotations

from typing import Final, Self

PATIENCE: Final = 3.0
"""Seconds by the clock for each second of CPU time that a limit allows."""


class Allowance:
    """Time that is left, in seconds of CPU and by the clock.

    Parameters
    ----------
    seconds
        The limit as its author wrote it.
    """

    def __init__(self, seconds: float) -> None:
        self.cpu = seconds
        self.wall = seconds * PATIENCE

    @property
    def spent(self) -> bool:
        """Whether nothing is left of one or the other."""
        return self.cpu <= 0 or self.wall <= 0

    def charge(self, *, cpu: float = 0.0, wall: float = 0.0) -> None:
        """Take what was used."""
        self.cpu -= cpu
        self.wall -= wall

    def at_most(self, other: Self) -> Allowance:
        """Return what both allow."""
        both = Allowance(0)
        both.cpu, both.wall = min(self.cpu, other.cpu), min(self.wall, other.wall)
        return both
