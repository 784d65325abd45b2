"""How a batch goes: a line that lives in a terminal, a log where there is none."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from grader.cli.console import INTERRUPTED
from grader.feedback.untrusted import visible
from grader.grading.batch import Watcher
from grader.grading.records import Outcome, Task

SLOW_SECONDS = 10.0
"""A hand-in that takes this long is named while it runs."""
_RECENT = 50
"""Hand-ins that the rate is taken from."""
_LOG_SECONDS = 10.0


class Display(Watcher):
    """Shows a batch on a console; use it as a context manager."""

    def __init__(self, console: Console, slug: str) -> None:
        self._console = console
        self._slug = slug
        self._running: dict[str, float] = {}
        self._times: deque[float] = deque(maxlen=_RECENT)
        self._failing: list[str] = []
        self._total = self._done = 0
        self._logged = time.monotonic()
        self._live = console.is_terminal
        self._bar: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TextColumn("{task.fields[now]}", style="dim", markup=False),
            console=console,
            disable=not self._live,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begun(self, total: int, unchanged: int) -> None:
        self._total = total
        if unchanged:
            self._say(f"{unchanged} unchanged, {total} to grade")
        if total:
            self._bar = self._progress.add_task(self._slug, total=total, pace="", now="")

    def started(self, task: Task) -> None:
        self._running[task.student] = time.monotonic()

    def finished(self, outcome: Outcome) -> None:
        self._running.pop(outcome.student, None)
        self._times.append(time.monotonic())
        self._done += 1
        if outcome.has_error:
            self._say(f"{outcome.student}: the grader failed on it, see its errors.txt", "red")
        if self._live:
            self._update()
        else:
            score = outcome.summary.score
            self._say(
                f"{self._done}/{self._total} {outcome.student} {score.final:g} of "
                f"{score.max_points:g}, {outcome.seconds:.1f} s"
            )

    def glance(self) -> None:
        if self._live:
            self._update()
        elif time.monotonic() - self._logged > _LOG_SECONDS and (slow := self._slow()):
            self._logged = time.monotonic()
            self._say(f"still at {slow}")

    def _update(self) -> None:
        if self._bar is not None:
            self._progress.update(
                self._bar, completed=self._done, pace=self.pace(), now=visible(self._slow())
            )

    def pace(self) -> str:
        """Hand-ins a second of late, and the time that the rest will take at that."""
        if len(self._times) < 2:
            return ""
        span = max(time.monotonic() - self._times[0], 1e-6)
        rate = (len(self._times) - 1) / span
        left = round((self._total - self._done) / rate)
        hours, rest = divmod(left, 3600)
        clock = (
            f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
        )
        pace = f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.0f}/min"
        return f"{pace}, {clock} left"

    def _slow(self) -> str:
        now = time.monotonic()
        slow = {s: now - since for s, since in self._running.items() if now - since > SLOW_SECONDS}
        return ", ".join(f"{student} ({seconds:.0f} s)" for student, seconds in slow.items())

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(
            f"{self._slug}: {visible(text)}",
            style=style,
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def stage_table(seconds: Mapping[str, float], hand_ins: int) -> Table:
    """Return where the time of `hand_ins` went, by the clock of the workers and of the batch."""
    table = Table(box=None)
    table.add_column("stage")
    for title in ("seconds", "ms each", "share"):
        table.add_column(title, justify="right")
    whole = sum(seconds.values())
    for stage, spent in seconds.items():
        table.add_row(
            stage, f"{spent:.2f}", f"{1000 * spent / hand_ins:.1f}", f"{spent / whole:.0%}"
        )
    table.add_section()
    table.add_row("all", f"{whole:.2f}", f"{1000 * whole / hand_ins:.1f}", "100%")
    return table


@contextmanager
def interruptible(console: Console) -> Iterator[threading.Event]:
    """Give an event that the first Ctrl-C sets; the second leaves at once.

    ``SIGTERM``, which schedulers and services end a job with, counts as Ctrl-C.
    """
    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            console.show_cursor()
            os._exit(INTERRUPTED)  # the workers end with this process; nothing waits for them
        stop.set()
        console.print(
            "Finishing what runs; what is done is kept, and the same command goes on from there. "
            "Ctrl-C once more leaves at once.",
            style="yellow",
            soft_wrap=True,
        )

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
