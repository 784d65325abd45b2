"""Where hand-ins are graded: behind :class:`concurrent.futures.Executor`, the batch's one seam."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import ParamSpec, TypeVar

from grader.kernel.processes import descendants

P = ParamSpec("P")
T = TypeVar("T")


class NoCluster(RuntimeError):
    """The cluster cannot be reached, or does not fit."""


class WrongEngine(RuntimeError):
    """A worker runs another version of the engine: its verdicts would not be these."""


def default_workers() -> int:
    """One worker for each processor that this process may use."""
    return len(os.sched_getaffinity(0))


class LocalWorkers(Executor):
    """Processes of this machine, each of which dies alone.

    A pool of several processes breaks as a whole when one of them is killed; here each has a pool
    of its own, so that what the others are at is not lost, nor the warmth that they work with.
    Processes are started afresh rather than forked.

    Where there are as many as processors, each keeps to its own with the notebooks that it runs: they
    take turns with it a hundred times for each hand-in, and waking another processor takes longer
    than most of what one asks the other. That begins when all have done something: until then some
    import their libraries, in two processes at once, and others may never be needed.

    Parameters
    ----------
    workers
        How many processes.
    scratch
        Folder for their temporary files.
    prepare
        Called in each process when it starts, with that folder.
    """

    def __init__(
        self, workers: int, scratch: Path, prepare: Callable[[str], None] | None = None
    ) -> None:
        self.prepare = prepare
        self.scratch = scratch
        self._pools: list[ProcessPoolExecutor | None] = [None] * workers
        self._load: list[int] = [0] * workers
        self._processors = sorted(os.sched_getaffinity(0))
        self._warm: set[int] = set()
        self._bound: set[int] = set()
        self._guard = threading.Lock()

    @property
    def started(self) -> int:
        """How many processes have been needed."""
        return sum(pool is not None for pool in self._pools)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the process that has least to do call `fn`."""
        with self._guard:
            place = min(range(len(self._pools)), key=self._load.__getitem__)
            self._load[place] += 1
            try:
                future = self._pool(place).submit(fn, *args, **kwargs)
            except BrokenProcessPool:
                self._pools[place] = None
                self._warm.discard(place)
                self._bound.discard(place)
                future = self._pool(place).submit(fn, *args, **kwargs)

        def finished(future: Future[T]) -> None:
            with self._guard:
                self._load[place] -= 1
                if not future.cancelled() and future.exception() is None:
                    self._warm.add(place)
                    self._bind()

        future.add_done_callback(finished)
        return future

    def _pool(self, place: int) -> ProcessPoolExecutor:
        pool = self._pools[place]
        if pool is None:
            pool = self._pools[place] = ProcessPoolExecutor(
                1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_be_worker,
                initargs=(str(self.scratch), self.prepare),
            )
        return pool

    def _bind(self) -> None:
        """Have each process keep to a processor, once all have done something."""
        everybody = set(range(len(self._pools)))
        if self._warm != everybody or len(everybody) != len(self._processors):
            return
        for place in everybody - self._bound:
            self._bound.add(place)
            if (pool := self._pools[place]) is not None:
                with contextlib.suppress(RuntimeError):  # it has ended, or is about to
                    pool.submit(_keep_to, self._processors[place])

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; with `wait` when they have done what they are at."""
        for pool in self._pools:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=cancel_futures)
        for pool in self._pools:
            if pool is not None and wait:
                pool.shutdown(wait=True)


def _be_worker(scratch: str, prepare: Callable[[str], None] | None) -> None:
    """Leave the terminal's Ctrl-C to the parent, and end with it, however it ends."""
    os.setsid()
    tempfile.tempdir = scratch
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, name="parent", daemon=True).start()
    if prepare is not None:
        prepare(scratch)


def _keep_to(processor: int) -> None:
    """Keep to a processor with all that this process has started and will start."""
    for pid in (os.getpid(), *descendants(os.getpid())):
        with contextlib.suppress(OSError):  # it has ended, or the processor was taken away
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {processor})
