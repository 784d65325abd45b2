"""Workers on other machines: dask.distributed behind the batch's seam.

Whatever starts the workers (``dask worker`` by hand, SSH, Slurm, Kubernetes), they need this
version of the engine and the cage, and nothing else: course and hand-ins travel to them as
parcels that are named by their content, each to a worker once, kept by the scheduler so that
they survive the worker that had them. What was lost with a worker is computed again elsewhere.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any, TypeVar

import distributed
import msgspec

from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.grading.executor import NoCluster, WrongEngine
from grader.grading.material import engine_hash
from grader.grading.parcels import Parcel, of_course, of_hand_in, unpacked_once
from grader.grading.records import Made, Settings, Task

T = TypeVar("T")
CONNECT_SECONDS = 30
_LOOK_SECONDS = 5.0


def connect(address: str) -> distributed.Client:
    """Connect to a scheduler, by its address or the scheduler file that it wrote.

    Raises
    ------
    NoCluster
        If there is none.
    """
    file = Path(address)
    where = {"scheduler_file": address} if file.is_file() else {"address": address}
    try:
        return distributed.Client(**where, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise NoCluster(
            f"no Dask scheduler answers at {address} ({type(error).__name__}: {error}). "
            "Give its address (tcp://host:8786) or the file that `dask scheduler "
            "--scheduler-file` writes."
        ) from error


class ClusterWorkers(Executor):
    """Grades on the workers of a Dask cluster.

    Parameters
    ----------
    resources
        What each hand-in takes of a worker, as the assignment asks (``{"GPU": 1}``).
    """

    def __init__(self, client: distributed.Client, course: Course, assignment: Assignment) -> None:
        self._client = client
        self._resources: Mapping[str, float] = assignment.resources
        self._course = self._stored(of_course(course, assignment))
        self._guard = threading.Lock()
        self._looked = float("-inf")
        self._threads = 0

    def ahead(self) -> int:
        """How many hand-ins the workers should have in hand: twice as many as they can work on."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._threads = sum(self._client.nthreads().values())
        return max(8, 2 * self._threads)

    def _stored(self, parcel: Parcel) -> distributed.Future[Any]:
        """Give a parcel to the scheduler, under its hash: equal ones travel once."""
        return self._client.submit(_as_it_is, parcel, key=f"karnameh-{parcel.hash}")

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a worker call ``fn(settings, task, …)``."""
        settings, task, *more = args
        hand_in = self._stored(of_hand_in(task.path))
        away = msgspec.structs.replace(settings, submissions=None, begun=None)
        running = self._client.submit(
            _there,
            fn,
            engine_hash(),
            self._course,
            hand_in,
            away,
            task,
            more,
            resources=dict(self._resources) or None,
            pure=False,
        )
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def done(finished: distributed.Future[Any]) -> None:
            hand_in.release()
            error = finished.exception() if finished.status == "error" else None
            if finished.status == "finished":
                future.set_result(finished.result())
            elif isinstance(error, distributed.KilledWorker):
                if settings.begun is not None:
                    (settings.begun / task.student).touch()
                future.set_exception(BrokenExecutor(str(error)))
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_exception(BrokenExecutor(f"the cluster lost it ({finished.status})"))
            finished.release()

        running.add_done_callback(done)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of the cluster; its workers stay, they are not ours."""
        self._course.release()
        self._client.close()


def _as_it_is(parcel: Parcel) -> Parcel:
    return parcel


def _there(
    fn: Callable[..., Made],
    engine: str,
    course: Parcel,
    hand_in: Parcel,
    settings: Settings,
    task: Task,
    more: list[Any],
) -> Made:
    """Run on a worker: lay out what came, and grade it."""
    if engine_hash() != engine:
        raise WrongEngine(
            "a worker of the cluster has another version of Karnameh than this machine: "
            "install the same on both"
        )
    here = msgspec.structs.replace(settings, root=unpacked_once(course))
    with tempfile.TemporaryDirectory(prefix="karnameh-hand-in-") as folder:
        hand_in.unpack(Path(folder))
        moved = msgspec.structs.replace(task, path=Path(folder, task.path.name))
        return fn(here, moved, *more)
