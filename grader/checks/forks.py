"""Forks of the executed notebook, one after another lent to the checks.

A fork costs more than most checks ask of it. So a check leaves its fork to the next one; a check
that comes to anything but a pass in a fork that another had is judged again in a fresh one, and
only what it comes to there counts: nothing that earlier calls changed, broke or used up can cost
a check. (That nothing is answered, no such name or a function that only raises, is no doing of
theirs.)
"""

from __future__ import annotations

from collections.abc import Callable

from grader.kernel.probe import Died, Probe, Raised, Refused, TimedOut


class Forks:
    """Lends one fork at a time.

    Parameters
    ----------
    fork
        Forks the executed notebook.

    Attributes
    ----------
    shared
        Whether a fork that was given back is lent again; else each is used once.
    used_before
        Whether the fork that was lent last had answered another check.
    relied_on
        Whether a fork told something since this was set to False that an earlier question may have
        decided. (That there is no such name, or only a function that raises, was so before.)
    """

    def __init__(self, fork: Callable[[], Probe]) -> None:
        self._fork = fork
        self._idle: Probe | None = None
        self._lent = 0
        self.shared = False
        self.used_before = False
        self.relied_on = False

    def lend(self) -> Probe:
        """Return a fork in the state in which the notebook's last cell left it."""
        probe, self._idle = self._idle, None
        self.used_before = False
        if probe is not None:
            try:
                probe.begin()
            except (Died, TimedOut, Raised, Refused):
                probe.close()
            else:
                self.used_before = True
                self._lent += 1
                return probe
        probe = self._fork()
        self._lent += 1
        return probe

    def give_back(self, probe: Probe) -> None:
        """Take back what was lent, for the next check or to end it."""
        self._lent -= 1
        self._keep(probe)

    def leave(self, probe: Probe) -> None:
        """Take a fork that something else was asked of, for the next check or to end it."""
        if self._lent:  # whose end would be the end of this one, too
            probe.close()
        else:
            self._keep(probe)

    def _keep(self, probe: Probe) -> None:
        if self.shared and self._idle is None:
            self._idle = probe
        else:
            probe.close()

    def end(self) -> None:
        """End the fork that waits for the next check; that one gets a fresh one."""
        if self._idle is not None:
            self._idle.close()
            self._idle = None
        self.used_before = False
