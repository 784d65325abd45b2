"""Workers of this machine: each on a processor of its own, once all of them are at work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import TypeVar

import pytest

from grader.grading.executor import LocalWorkers
from grader.kernel.processes import descendants

T = TypeVar("T")
PROCESSORS = os.sched_getaffinity(0)
_children: list[subprocess.Popen[bytes]] = []


def allowed(pid: int = 0) -> set[int]:
    return os.sched_getaffinity(pid)


def of_child() -> set[int]:
    """Processors of a process that this worker started when it was first asked."""
    if not _children:
        _children.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
    (pid,) = descendants(os.getpid())
    return allowed(pid)


def nap() -> int:
    time.sleep(0.1)
    return os.getpid()


@pytest.fixture
def everywhere(tmp_path: Path) -> Iterator[LocalWorkers]:
    """As many workers as processors."""
    workers = LocalWorkers(len(PROCESSORS), tmp_path)
    yield workers
    workers.shutdown()


def all_at_once(workers: LocalWorkers, function: Callable[[], T]) -> list[T]:
    """Have each worker do it; return what those came to that lived."""
    futures = [workers.submit(function) for _ in PROCESSORS]
    wait(futures)
    return [future.result() for future in futures if future.exception() is None]


def test_each_keeps_to_a_processor_with_what_it_started(everywhere: LocalWorkers) -> None:
    assert all_at_once(everywhere, of_child) == [PROCESSORS] * len(PROCESSORS)
    assert sorted(all_at_once(everywhere, allowed), key=min) == [{n} for n in sorted(PROCESSORS)]
    assert all_at_once(everywhere, of_child) == all_at_once(everywhere, allowed)


def test_one_that_took_the_place_of_a_dead_one_does_so_too(everywhere: LocalWorkers) -> None:
    all_at_once(everywhere, nap)
    killed = all_at_once(everywhere, nap)[0]
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while len({*all_at_once(everywhere, nap)} - {killed}) < len(PROCESSORS):
        assert time.monotonic() < deadline
    assert sorted(all_at_once(everywhere, allowed), key=min) == [{n} for n in sorted(PROCESSORS)]


def test_fewer_or_more_go_where_the_system_sends_them(tmp_path: Path) -> None:
    workers = LocalWorkers(len(PROCESSORS) + 1, tmp_path)
    try:
        for _ in range(2):
            futures = [workers.submit(allowed) for _ in range(len(PROCESSORS) + 1)]
            assert [future.result() for future in futures] == [PROCESSORS] * len(futures)
    finally:
        workers.shutdown()


@pytest.mark.skipif(len(PROCESSORS) < 2, reason="one processor has nothing to choose from")
def test_while_one_was_not_needed_nobody_is_bound(everywhere: LocalWorkers) -> None:
    for _ in range(3):
        assert everywhere.submit(allowed).result() == PROCESSORS
