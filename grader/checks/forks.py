"""Forks of the executed notebook, one after another lent to the checks.

A fork costs more than most checks ask of it. So a check leaves its fork to the next one; a check
that comes to anything but a pass in a fork that another had is judged again in a fresh one, and
only what it comes to there counts: nothing that earlier calls changed, broke or used up can cost
a check. That is spared where earlier calls can have changed nothing of it: nothing was answered
for want of a name or of more than a stub, or all that was called follows from its arguments alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
        Whether the check that began last was lent a fork that had been asked before.
    relied_on
        Whether a fork told something since that check began which an earlier question may have
        decided. (That there is no such name, or only a function that raises, was so before.)
    """

    def __init__(self, fork: Callable[[], Probe]) -> None:
        self._fork = fork
        self._idle: Probe | None = None
        self._lent = 0
        self.shared = False
        self.used_before = False
        self.relied_on = False
        self._again = False
        self._sure = True

    def begin_check(self, *, again: bool = False) -> None:
        """Forget what the check before was lent; for one that begins `again` every fork is fresh."""
        self._again = again
        self._sure = True
        self.used_before = False
        self.relied_on = False

    def lend(self) -> Probe:
        """Return a fork in the state in which the notebook's last cell left it."""
        probe, self._idle = self._idle, None
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

    @contextmanager
    def searching(self) -> Iterator[Probe]:
        """Lend a fork to look for a function in, before the check itself asks anything."""
        if self._lent:
            with self._fork() as other:
                yield other
            return
        probe = self.lend()
        try:
            yield probe
        finally:
            if self.used_before and not _is_settled(probe):
                self.relied_on = True
                self._sure = False
            self.give_back(probe)
            if self._again:  # the check itself gets another
                self._end_idle()

    def settled(self) -> bool:
        """Whether what the check came to, which used the waiting fork, is what fresh ones tell."""
        return self._sure and self._idle is not None and _is_settled(self._idle)

    def _keep(self, probe: Probe) -> None:
        if self.shared and self._idle is None:
            self._idle = probe
        else:
            probe.close()

    def end(self) -> None:
        """End the fork that waits for the next check; that one gets a fresh one."""
        self._end_idle()
        self.used_before = False

    def _end_idle(self) -> None:
        if self._idle is not None:
            self._idle.close()
            self._idle = None


def _is_settled(probe: Probe) -> bool:
    try:
        return probe.settled()
    except (Died, TimedOut, Raised, Refused):
        return False
