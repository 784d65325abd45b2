"""Grading on a Dask cluster: the same reports, whatever becomes of its workers."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import distributed
import pytest

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.batch import Batch, grade_batch
from grader.grading.cluster import ClusterWorkers, connect
from grader.grading.executor import NoCluster, WrongEngine
from grader.grading.parcels import of_course, of_hand_in, unpacked_once
from grader.grading.records import Settings, Task
from grader.notebook import list_submissions
from tests.grading import quick

STUDENTS = 12


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[distributed.LocalCluster]:
    scratch = tmp_path_factory.mktemp("dask")
    preload = scratch / "preload.py"
    root = Path(__file__).parents[2]
    preload.write_text(
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        f"import tempfile; tempfile.tempdir = {str(scratch)!r}\n"
        "from tests.grading import quick\n"
        f"quick.prepare({str(scratch)!r})\n"
    )
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        local_directory=str(scratch),
        preload=[str(preload)],
        silence_logs=50,
        resources={"GPU": 1},
    ) as made:
        yield made


def grade(root: Path, address: str) -> tuple[Batch, ClusterWorkers]:
    course = read_course(root)
    assignment = read_assignment(course, quick.SLUG)
    pools: list[ClusterWorkers] = []

    def executor(workers: int, scratch: Path) -> Executor:
        pools.append(ClusterWorkers(connect(address), course, assignment))
        return pools[-1]

    batch = grade_batch(
        course,
        assignment,
        Settings(root, quick.SLUG, caged=False),
        list_submissions(root / "submissions", quick.SLUG),
        root / "reports",
        workers=1,
        executor=executor,
    )
    return batch, pools[0]


def test_workers_killed_at_random_end_with_the_same_reports(
    cluster: distributed.LocalCluster, tmp_path: Path
) -> None:
    undisturbed = quick.make_course(tmp_path / "undisturbed", STUDENTS)
    quick.grade(undisturbed, 1)
    expected = {s: r.questions for s, r in quick.reports(undisturbed).items()}
    course = quick.make_course(tmp_path / "course", STUDENTS, pause=0.5)
    dice = random.Random()
    done = threading.Event()
    killed: set[int] = set()

    def kill() -> None:
        while len(killed) < 4 and not done.wait(dice.uniform(0.5, 2.5)):
            pids = [w.process.pid for w in cluster.workers.values() if w.process is not None]
            for pid in dice.sample([p for p in pids if p], k=min(1, len(pids))):
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        batch, _ = grade(course, cluster.scheduler_address)
    finally:
        done.set()
        killer.join()
    assert killed
    assert batch.lost == []
    assert sorted(o.student for o in batch.outcomes) == sorted(expected)
    assert {s: r.questions for s, r in quick.reports(course).items()} == expected


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return quick.make_course(tmp_path / "course", 3)


def asking_for(course: Path, resource: str) -> None:
    path = course / "assignments" / quick.SLUG / "assignment.toml"
    path.write_text(f"resources = {{ {resource} = 1 }}\n{path.read_text('utf-8')}", "utf-8")


def test_an_assignment_gets_workers_that_have_what_it_asks_for(
    cluster: distributed.LocalCluster, course: Path
) -> None:
    asking_for(course, "GPU")
    assert len(grade(course, cluster.scheduler_address)[0].outcomes) == 3


def test_a_hand_in_waits_where_no_worker_has_what_it_asks_for(
    cluster: distributed.LocalCluster, course: Path
) -> None:
    asking_for(course, "TPU")
    read = read_course(course)
    pool = ClusterWorkers(
        connect(cluster.scheduler_address), read, read_assignment(read, quick.SLUG)
    )
    path = course / "submissions" / quick.SLUG / "100.ipynb"
    future = pool.submit(_never, Settings(course, quick.SLUG), Task("100", path))
    with connect(cluster.scheduler_address) as client:
        while not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.unrunnable)):
            time.sleep(0.05)
    assert not future.done()
    pool.shutdown()


def _never(settings: Settings, task: Task) -> str:
    return "ran"


def test_a_worker_with_another_engine_is_refused(
    cluster: distributed.LocalCluster, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.grading.cluster.engine_hash", lambda: "another")
    with pytest.raises(WrongEngine, match="install the same on both"):
        grade(course, cluster.scheduler_address)


def test_only_what_grading_needs_travels(course: Path) -> None:
    read = read_course(course)
    assignment = read_assignment(read, quick.SLUG)
    with tarfile.open(fileobj=io.BytesIO(of_course(read, assignment).data)) as archive:
        names = archive.getnames()
    assert "course.toml" in names
    assert "reference/quick.py" in names
    assert not [name for name in names if "submissions" in name or "marks" in name]


def test_equal_content_travels_under_one_name(course: Path, tmp_path: Path) -> None:
    folder = course / "submissions" / quick.SLUG
    same = tmp_path / "elsewhere" / "100.ipynb"
    same.parent.mkdir()
    shutil.copy(folder / "100.ipynb", same)
    first, second, other = map(of_hand_in, (folder / "100.ipynb", same, folder / "101.ipynb"))
    assert first.hash == second.hash != other.hash
    read = read_course(course)
    parcel = of_course(read, read_assignment(read, quick.SLUG))
    assert unpacked_once(parcel) == unpacked_once(parcel)


def test_where_no_scheduler_answers_the_command_says_what_to_give(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setattr("grader.grading.cluster.CONNECT_SECONDS", 1)
        with pytest.raises(NoCluster, match="--scheduler-file"):
            connect(address)
