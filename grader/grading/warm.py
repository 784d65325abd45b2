"""A warm grader in a thread of its own: one pytest session and one zygote, many hand-ins.

pytest's session owns the stack that it runs on; in a thread it can stay open
between calls, so that any caller (a worker process, a test) grades one
hand-in after another without collecting the checks again.
"""

from __future__ import annotations

import gc
import queue
import sys
import threading
from collections.abc import Callable, Container
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar

from grader.checks.scoring import Marks
from grader.checks.session import Judge, run_session
from grader.course.assignment import Assignment
from grader.grading.records import KernelName
from grader.grading.submission import Graded, Grader
from grader.grading.warmth import likely
from grader.kernel.zygotes import Zygote
from grader.report import Late, Report

_GROWTH = 1.5
"""How many times as many objects as at the start there may be before they are collected."""
_Work = Callable[[Grader], Any]
T = TypeVar("T")


def settle() -> None:
    """Keep the garbage collector from what is there now, and stays: the libraries, the checks.

    It would walk through all of it again and again for the little that a hand-in leaves.
    """
    gc.collect()
    gc.freeze()


class WarmGrader:
    """Grades hand-ins of one assignment; use it as a context manager.

    Parameters
    ----------
    assignment
        Whose checks to run.
    kernel, caged, marks, late
        As :class:`~grader.grading.submission.Grader` takes them.
    early
        Start the zygote while the checks are collected, rather than when a notebook is to run.
    """

    def __init__(
        self,
        assignment: Assignment,
        *,
        kernel: KernelName = "forked",
        caged: bool = True,
        marks: Callable[[str], Marks] | None = None,
        late: Callable[[str], Late | None] | None = None,
        early: bool = True,
    ) -> None:
        self._early = early and kernel == "forked"
        self._assignment = assignment
        self._options = (kernel, caged, marks, late)
        self._tasks: queue.SimpleQueue[tuple[_Work, Future[Any]] | None] = queue.SimpleQueue()
        self._collected = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="grading", daemon=True)
        self._thread.start()
        # Python 3.11 may fail when two threads parse code at once: nobody does while it collects.
        self._collected.wait()

    def _hold(self) -> None:
        self._zygote: Zygote | None = None
        try:
            if self._early:  # it imports while the checks are collected
                warm = likely(self._assignment)
                self._zygote = Zygote(caged=self._options[1], wait=False, warm=warm)
            run_session(self._assignment, self._serve)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            self._collected.set()
            while (item := self._tasks.get()) is not None:
                item[1].set_exception(error)
        finally:
            if self._zygote is not None:
                self._zygote.close()

    def _serve(self, judge: Judge) -> None:
        kernel, caged, marks, late = self._options
        settled = 0
        self._collected.set()
        with Grader(
            judge, kernel=kernel, caged=caged, marks=marks, late=late, zygote=self._zygote
        ) as grader:
            while (item := self._tasks.get()) is not None:
                work, future = item
                try:
                    future.set_result(work(grader))
                except BaseException as error:
                    future.set_exception(error)  # told to whoever waits
                    if not isinstance(error, Exception):
                        raise
                del item, work, future
                if not settled:
                    settle()
                    settled = sys.getallocatedblocks()
                elif sys.getallocatedblocks() > _GROWTH * settled:
                    gc.collect()  # a hand-in of a million values, which nothing else would clear

    def grade(self, student: str, path: Path) -> Graded:
        """Grade one hand-in.

        Raises
        ------
        CourseError, BrokenChecks, BrokenReference, NoCage, ZygoteError
            What concerns every hand-in; nothing that one of them holds.
        """
        return self.do(lambda grader: grader.grade(student, path))

    def regrade(
        self, student: str, path: Path, kept: bytes, earlier: Report, functions: Container[str]
    ) -> Graded:
        """Judge the named check functions of one hand-in again, from what was kept of it."""
        return self.do(lambda grader: grader.regrade(student, path, kept, earlier, functions))

    def lost(self, student: str, path: Path, reason: str) -> Graded:
        """Report a hand-in that could not be graded for `reason`."""
        return self.do(lambda grader: grader.lost(student, path, reason))

    def do(self, work: Callable[[Grader], T]) -> T:
        """Have the grader do anything else, where it is warm."""
        future: Future[T] = Future()
        self._tasks.put((work, future))
        return future.result()

    def close(self) -> None:
        """Let the thread end, and with it the zygote."""
        self._tasks.put(None)
        self._thread.join(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
