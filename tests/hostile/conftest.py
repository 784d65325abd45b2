"""One warm worker that grades every attack, and behind each an honest hand-in."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import pytest
from nbformat import NotebookNode, v4

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.feedback import render_card
from grader.grading.records import occasion
from grader.grading.release import solution
from grader.grading.warm import WarmGrader
from grader.kernel import processes
from grader.report import Report, Seconds
from tests.hostile.notebooks import COURSE, FAMILIES, attack

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-the-grader-0x5eed"


class Bench:
    """The worker, what an honest hand-in comes to there, and what this machine is like without it."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        course = read_course(COURSE)
        self.assignment = read_assignment(course, "cage")
        self._occasion = occasion(course, self.assignment)
        notebook = solution(self.assignment, course.languages)
        self.honest = {
            cell.metadata["karnameh"]["name"]: cell.source
            for cell in notebook.cells
            if cell.cell_type == "code"
        }
        self._folder = folder
        self._facts = facts
        for family in FAMILIES:
            (folder / family).mkdir()
        self._grader = WarmGrader(self.assignment)
        self._honest = self._write("honest", notebook)
        self.first = self.grade_honest()
        self.grade_honest()  # with which everything is loaded that one hand-in needs
        self.state = machine(folder)
        self.memory = peak_memory()

    def _write(self, name: str, notebook: NotebookNode) -> Path:
        path = self._folder / f"{name}.ipynb"
        # As one that was run before it was handed in.
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        first.outputs = [v4.new_output("stream", text="saved")]
        nbformat.write(notebook, path)
        return path

    def grade_honest(self) -> Report:
        return self._grade(self._honest)

    def grade_attack(self, name: str) -> Report:
        path = self._write(name, attack(name, self.honest, self._facts))
        try:
            return self._grade(path)
        finally:
            path.unlink()

    def _grade(self, path: Path) -> Report:
        graded = self._grader.grade("00000000", path)
        assert not graded.troubles, graded.troubles
        return graded.report

    def card(self, report: Report) -> str:
        return render_card(report, occasion=self._occasion)

    def close(self) -> None:
        self._grader.close()


def timeless(report: Report) -> Report:
    """Return a report without the times it took, and without what names the file."""
    data = msgspec.to_builtins(
        msgspec.structs.replace(report, seconds=Seconds(run=0, judge=0, total=0))
    )

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: 0.0 if k == "seconds" and isinstance(v, float) else without(v)
                for k, v in value.items()
            }
        return [without(item) for item in value] if isinstance(value, list) else value

    return msgspec.convert(without(data), Report)


LEFT = frozenset(
    "left left2 mine alive hard device m elsewhere seen answers.json poison.pth sitecustomize.py "
    "large fill0 link0 python 0 00-poison.py".split()
)
"""Names of files that attacks make."""


def machine(folder: Path) -> dict[str, object]:
    """What an attack may leave behind: processes, files, mounts, shared memory, descriptors.

    Other programs use the shared folders at the same time: there only the names count that
    attacks use. The grader's own folders lie below `folder` and count whole.
    """
    home = Path.home()
    shared = (
        "/tmp",
        "/dev/shm",
        "/var/tmp",
        "/home/student",
        str(home),
        str(COURSE),
        "/etc",
        "/usr/bin",
    )
    return {
        "processes": {p for p in processes.descendants(os.getpid()) if processes.is_running(p)},
        "files": {place: names(place) & LEFT for place in shared},
        "folders": {str(p) for p in folder.rglob("*") if p.suffix != ".log"},
        "startup": names(home / ".ipython" / "profile_default" / "startup"),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "System V": [
            s for s in Path("/proc/sysvipc/shm").read_text().splitlines() if s.split()[0] == "7"
        ],
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
    }


def names(folder: str | Path) -> frozenset[str]:
    path = Path(folder)
    return frozenset(entry.name for entry in path.iterdir()) if path.is_dir() else frozenset()


def settled(folder: Path, wanted: dict[str, object]) -> dict[str, object]:
    """What is left behind, once the kernel has ended what was killed."""
    for _ in range(250):
        if (state := machine(folder)) == wanted:
            break
        time.sleep(0.02)
    return state


def peak_memory() -> int:
    """The most memory that this process has held, in MiB; forget it, to measure anew."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def environment() -> dict[str, tuple[int, int]]:
    """Size and time of every file of the Python environment and of the package in the cage."""
    found = {}
    for top in (sys.prefix, str(ROOT / "grader" / "kernel" / "caged")):
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in files:
                path = f"{folder}/{name}"
                if not name.endswith(".pyc"):
                    status = os.lstat(path)
                    found[path] = status.st_size, status.st_mtime_ns
    return found


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("hand-ins")
    with ExitStack() as stack:
        secret = folder / "secret.txt"
        secret.write_text(SECRET)
        for path in (folder, *folder.parents):
            if path.stat().st_uid == os.getuid():
                path.chmod(path.stat().st_mode | 0o055)  # /tmp keeps its other bits
        tcp = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        unix, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        unix.bind(str(folder / "s"))
        (folder / "s").chmod(0o777)
        unix.listen()
        abstract.bind(f"\0karnameh-{os.getpid()}")
        abstract.listen()
        os.environ["KARNAMEH_SECRET"] = SECRET
        stack.callback(os.environ.pop, "KARNAMEH_SECRET")
        (folder / "tmp").mkdir()
        stack.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
        tempfile.tempdir = str(folder / "tmp")
        facts = {
            "ROOT": ROOT,
            "COURSE": COURSE,
            "PREFIX": sys.prefix,
            "HOME": Path.home(),
            "HAND_INS": folder,
            "SECRET_FILE": secret,
            "TERCES": SECRET[::-1],  # or the attack itself would hold it
            "BASE": sys.base_prefix,
            "GRADER": os.getpid(),
            "PORT": tcp.getsockname()[1],
            "HOSTNAME": socket.gethostname(),
            "SOCKET": folder / "s",
            "ABSTRACT": f"karnameh-{os.getpid()}",
        }
        made = Bench(folder, facts)
        stack.callback(made.close)
        yield made
