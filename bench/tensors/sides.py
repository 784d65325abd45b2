"""How each grader wants its course, its hand-ins and its command, for the same assignment.

Every side has ``prepare`` (not measured), ``commands`` (what grades the class, its fastest way on
two processors) and ``scores``. ``clear`` takes back what grading wrote.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import nbformat
from hand_ins import ANSWERS, SETUP, TESTS, Test
from metering import Group
from nbformat import NotebookNode, v4

HERE = Path(__file__).resolve().parent
Class = Mapping[str, Mapping[str, str]]


class Side(Protocol):
    """One grader."""

    name: str
    requirements: ClassVar[list[str]]

    def prepare(self, folder: Path, students: Class) -> None: ...
    def commands(self) -> list[list[str | Path]]: ...
    def clear(self) -> None: ...
    def scores(self) -> dict[str, float]: ...


def _notebook(answers: Mapping[str, str]) -> NotebookNode:
    return v4.new_notebook(
        cells=[v4.new_code_cell(source) for source in (SETUP, *answers.values())],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )


def environment_of(programs: Path) -> dict[str, str]:
    """Environment variables for a side: its own programs first, one thread each, as in our kernel."""
    dropped = ("PYTHON", "JUPYTER", "VIRTUAL")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    path = f"{programs}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "OMP_NUM_THREADS": "1"}


class Karnameh:
    """As many workers as pay, cage on, cards and gradebook written."""

    name = "Karnameh"
    requirements: ClassVar[list[str]] = []

    def __init__(self, python: Path) -> None:
        self.python = python

    def prepare(self, folder: Path, students: Class) -> None:
        self.folder = folder
        (folder / "submissions" / "tensors").mkdir(parents=True)
        for student, answers in students.items():
            path = folder / "submissions" / "tensors" / f"{student}.ipynb"
            nbformat.write(_notebook(answers), path)

    def commands(self) -> list[list[str | Path]]:
        return [
            [
                *(self.python, "-m", "grader.cli", "grade", "tensors"),
                *("--course", HERE / "course", "--submissions", self.folder / "submissions"),
                *("--reports", self.folder / "reports"),
            ]
        ]

    def clear(self) -> None:
        shutil.rmtree(self.folder / "reports", ignore_errors=True)

    def scores(self) -> dict[str, float]:
        return {
            path.parent.name: json.loads(path.read_bytes())["score"]["final"]
            for path in (self.folder / "reports" / "tensors").glob("*/report.json")
        }


class Served(Karnameh):
    """The same, with workers that ``grader serve`` keeps warm; what they use is counted."""

    name = "kept warm"

    def start(self, group: Group, log: Path) -> None:
        """Start the server in `group` and wait until its workers are warm."""
        (command,) = self.commands()
        place = command.index("grade")
        command = [*command[:place], "serve", *command[place + 1 : command.index("--reports")]]
        self.server = subprocess.Popen(
            group.entering(command),
            env=environment_of(self.python.parent),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.server.stderr is not None
        told = self.server.stderr.readline()
        if "warm" not in told:
            raise RuntimeError(told + self.server.stderr.read())
        log.write_text(told)

    def stop(self) -> None:
        """End the server."""
        self.server.terminate()
        self.server.wait()


class Nbgrader:
    """Two processes with half of the class each: it has no parallel mode. Feedback included."""

    name = "nbgrader"
    requirements: ClassVar[list[str]] = ["nbgrader==0.9.6", "ipykernel"]

    def __init__(self, python: Path) -> None:
        self.bin = python.parent

    def prepare(self, folder: Path, students: Class) -> None:
        self.halves = [folder / "one", folder / "two"]
        names = sorted(students)
        for place, half in enumerate(self.halves):
            source = half / "source" / "tensors"
            source.mkdir(parents=True)
            (half / "nbgrader_config.py").write_text(
                "c = get_config()\n"
                f"c.CourseDirectory.root = {str(half)!r}\n"
                "c.ClearSolutions.code_stub = {'python': 'raise NotImplementedError()'}\n"
                "c.ExecutePreprocessor.timeout = 60\n"
            )
            nbformat.write(self._source(dict.fromkeys(ANSWERS, "pass")), source / "tensors.ipynb")
            self._run(half, "generate_assignment", "tensors", "--create")
            release = half / "release" / "tensors" / "tensors.ipynb"
            for student in names[place::2]:
                notebook = nbformat.read(release, 4)
                for cell in notebook.cells:
                    question = cell.metadata.get("nbgrader", {}).get("grade_id", "")
                    if question in students[student]:
                        cell.source = students[student][question]
                target = half / "submitted" / student / "tensors"
                target.mkdir(parents=True)
                nbformat.write(notebook, target / "tensors.ipynb")
            (half / "grade.sh").write_text(
                f"set -e\ncd {half}\n"
                f"{self.bin}/nbgrader autograde tensors --force\n"
                f"{self.bin}/nbgrader generate_feedback tensors --force\n"
                f"{self.bin}/nbgrader export --to {half}/grades.csv\n"
            )

    def _run(self, half: Path, *arguments: str) -> None:
        command = [self.bin / "nbgrader", *arguments]
        done = subprocess.run(
            command,
            cwd=half,
            env=environment_of(self.bin),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stderr[-2000:]}")

    def _source(self, answers: Mapping[str, str]) -> NotebookNode:
        notebook = _notebook({})
        for question, answer in answers.items():
            cell = v4.new_code_cell(answer)
            cell.metadata["nbgrader"] = _marks(question, solution=True)
            notebook.cells.append(cell)
        for test in TESTS:
            cell = v4.new_code_cell("\n".join([*test.lines, f"assert {test.holds}"]))
            marks = _marks(f"test_{test.name}", grade=True)
            cell.metadata["nbgrader"] = {**marks, "points": test.points}
            notebook.cells.append(cell)
        return notebook

    def commands(self) -> list[list[str | Path]]:
        return [["bash", half / "grade.sh"] for half in self.halves]

    def clear(self) -> None:
        for half in self.halves:
            for name in ("autograded", "feedback"):
                shutil.rmtree(half / name, ignore_errors=True)

    def scores(self) -> dict[str, float]:
        found = {}
        for half in self.halves:
            with (half / "grades.csv").open(newline="") as file:
                for row in csv.DictReader(file):
                    found[row["student_id"]] = float(row["score"] or 0)
        return found


def _marks(name: str, *, grade: bool = False, solution: bool = False) -> dict[str, object]:
    return {
        "schema_version": 3,
        "grade_id": name,
        "grade": grade,
        "solution": solution,
        "locked": grade,
        "task": False,
    }


class Otter:
    """Its API in a loop, two processes with half of the class each."""

    name = "Otter-Grader"
    requirements: ClassVar[list[str]] = ["otter-grader==7.0.0", "ipykernel"]
    _LOOP = """
        import json, sys
        from otter.api import grade_submission

        scores = {}
        for path in sys.argv[3:]:
            results = grade_submission(path, sys.argv[1], quiet=True)
            scores[path] = results.total
        with open(sys.argv[2], "w") as file:
            json.dump(scores, file)
    """

    def __init__(self, python: Path) -> None:
        self.python = python

    def prepare(self, folder: Path, students: Class) -> None:
        self.folder = folder
        tests = folder / "tests"
        tests.mkdir(parents=True)
        for test in TESTS:
            (tests / f"{test.name}.py").write_text(_doctest(test))
        (folder / "requirements.txt").write_text("")
        command = [
            self.python.parent / "otter",
            "generate",
            "-t",
            tests,
            "-o",
            folder / "autograder.zip",
        ]
        subprocess.run(
            [*command, "-r", folder / "requirements.txt"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        self.notebooks = []
        for student, answers in students.items():
            self.notebooks.append(folder / f"{student}.ipynb")
            nbformat.write(_notebook(answers), self.notebooks[-1])
        (folder / "loop.py").write_text(textwrap.dedent(self._LOOP))

    def commands(self) -> list[list[str | Path]]:
        return [
            [
                *(self.python, self.folder / "loop.py", self.folder / "autograder.zip"),
                *(self.folder / f"scores{place}.json", *self.notebooks[place::2]),
            ]
            for place in (0, 1)
        ]

    def clear(self) -> None:
        for path in self.folder.glob("scores*.json"):
            path.unlink()

    def scores(self) -> dict[str, float]:
        found = {}
        for path in self.folder.glob("scores*.json"):
            found |= {Path(k).stem: float(v) for k, v in json.loads(path.read_text()).items()}
        return found


def _doctest(test: Test) -> str:
    lines = []
    for line in test.lines:
        lines.append(f">>> {line}")
        if line.startswith("for "):
            lines.append("... ")
    lines += [f">>> bool({test.holds})", "True"]
    case = {"code": "\n".join(lines), "hidden": False, "locked": False}
    suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
    record = {"name": test.name, "points": test.points, "suites": [suite]}
    return f"OK_FORMAT = True\n\ntest = {record!r}\n"
