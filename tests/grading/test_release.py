"""``grader release`` and the check pack: what students receive, and what they do with it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from grader.checks.replay import Concealed, NotRecorded, Recorded, Replay
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.leaks import code_secrets, leaks, value_secrets
from grader.grading.pack import Pack, read_pack
from grader.grading.release import Released, release, solution
from tests.grading.conftest import WARMUP

GRADER = [sys.executable, "-m", "grader.cli"]
VALUES = b"first,second\n0.5,1.5\n"


class Handout:
    """The warm-up assignment as students receive it: released once, unpacked in an empty folder."""

    def __init__(self, folder: Path) -> None:
        root = folder / "course"
        shutil.copytree(WARMUP, root, ignore=shutil.ignore_patterns("__pycache__"))
        data = root / "assignments" / "warmup" / "files" / "data"
        data.mkdir(parents=True)
        (data / "values.csv").write_bytes(VALUES)
        self.course = read_course(root)
        self.assignment = read_assignment(self.course, "warmup")
        self.released: Released = release(self.course, self.assignment, folder / "out")
        self.archive = self.released.paths[-1]
        with zipfile.ZipFile(self.archive) as archive:
            archive.extractall(folder / "home")
        self.folder = folder / "home" / "warmup"
        shutil.rmtree(root)  # no course is around
        self.pack: Pack = read_pack(self.folder / "warmup.pack")


@pytest.fixture(scope="module")
def handout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handout]:
    return Handout(tmp_path_factory.mktemp("release"))


def solved(**replacements: str) -> nbformat.NotebookNode:
    """The solved notebook, with whole cells replaced by name."""
    course = read_course(WARMUP)
    notebook = solution(read_assignment(course, "warmup"), course.languages)
    for cell in notebook.cells:
        name = cell.metadata.get("karnameh", {}).get("name")
        if cell.cell_type == "code" and name in replacements:
            cell.source = replacements[name]
    return notebook


def check(folder: Path, *arguments: str, network: bool = False) -> subprocess.CompletedProcess[str]:
    """Run ``grader check`` in `folder`, in a network that holds nothing."""
    offline = ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--chdir", str(folder)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [*([] if network else offline), *GRADER, "check", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_archive_holds_notebooks_data_pack_and_a_page_that_tells_how(handout: Handout) -> None:
    found = {p.relative_to(handout.folder).as_posix() for p in handout.folder.rglob("*.*")}
    assert found == {
        "warmup.fa.ipynb", "warmup.en.ipynb", "warmup.pack", "HOWTO.html", "data/values.csv",
    }  # fmt: skip
    assert (handout.folder / "data" / "values.csv").read_bytes() == VALUES
    page = (handout.folder / "HOWTO.html").read_text("utf-8")
    assert "grader check warmup.en.ipynb" in page
    assert "این بسته" in page


def test_a_check_that_cannot_be_recorded_waits_and_its_author_is_told_why(handout: Handout) -> None:
    assert list(handout.released.postponed) == ["test_network"]
    assert "reference.Net" in handout.released.postponed["test_network"]
    modes = {check.id: check.mode for check in handout.pack.checks}
    assert "test_network" not in modes
    assert modes["test_row_sums"] == "replay"
    assert not any("test_network" in text for text in handout.pack.files.values())


def test_right_work_passes_from_the_archive_alone_with_the_network_off(handout: Handout) -> None:
    values = "total = row_sums(M)\nscaled = scale(total, 2.0)\nopen('data/values.csv').read()"
    nbformat.write(solved(values=values), handout.folder / "mine.ipynb")
    done = check(handout.folder, "mine.ipynb", "--language", "en")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Sum of the rows  4 of 4  Correct" in done.stdout
    assert "checked at grading" in done.stdout or "made at grading" in done.stdout


def test_a_value_that_was_never_recorded_is_left_to_the_grading(handout: Handout) -> None:
    replay = Replay(handout.pack.reference)
    with pytest.raises(NotRecorded):
        replay.row_sums([[1.0, 2.0]])
    with pytest.raises(NotRecorded):
        _ = replay.anything_else


def test_what_is_concealed_can_be_computed_with_and_never_seen() -> None:
    replay = Replay(Recorded(values={"answer": b""}))
    replay.concealing = True
    made = replay.anything(3)[0] + 2 * replay.answer
    assert isinstance(made, Concealed)
    for look in (bool, float, str, repr, list, len):
        with pytest.raises(NotRecorded):
            look(made)


SOLUTION = "M.sum(axis=1)"


def refused(course: Path) -> str:
    """What ``grader release`` says when it refuses, with exit code 2 and nothing written."""
    skeletons = course / "assignments" / "warmup"
    done = subprocess.run(
        [*GRADER, "release", "warmup", "--course", str(course), "--out", str(course / "out")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert not (course / "out").exists()
    assert not list(skeletons.glob("*.ipynb"))
    return " ".join(done.stderr.split())


def test_a_release_is_refused_for_all_that_students_must_not_find(course: Path) -> None:
    """A solution in a notebook's prose, a model answer in its code, hidden code and a hidden value
    in data, a hidden check in a hint: each is named, with where it lies."""
    folder = course / "assignments" / "warmup"
    reference = course / "reference" / "warmup.py"
    text = reference.read_text("utf-8")
    text = text.replace("# # Warm-up\n", "# # Warm-up\n# Think of `M.sum( axis = 1 )`.\n")
    text = text.replace(
        "import torch\n",
        'import torch\n\nWHY = "Because without it the network is one linear function."\n',
        1,
    )
    reference.write_text(text, "utf-8")
    data = folder / "files"
    data.mkdir()
    hidden = "expect(scale(v, 3.0)).close(reference.scale(v, 3.0))"
    (data / "notes.txt").write_text(f"x\n  {hidden}\n", "utf-8")
    feedback = folder / "feedback.toml"
    feedback.write_text(
        feedback.read_text("utf-8").replace(
            "Look at the axis of the sum.", "See test_scale_function."
        ),
        "utf-8",
    )
    said = refused(course)
    assert "warmup.en.ipynb, cells 1, source: the solution, reference/warmup.py" in said
    assert f"return {SOLUTION}" in said
    assert "the model answer of network/why" in said
    assert "notes.txt: a hidden check, test_numbers.py" in said
    assert "warmup.pack, texts" in said
    assert "the hidden check test_numbers.py: test_scale_function" in said


def test_what_a_hidden_check_expects_is_found_as_it_is_printed_and_as_it_is_stored() -> None:
    wanted = np.array([[3.14159, 2.71828], [1.41421, 0.57721]])
    secrets = [*value_secrets([("reference.f", wanted), ("reference.n", 235146)])]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, table=np.concatenate([np.zeros(3), wanted.reshape(-1)]))
    members = {
        "a.txt": b"the table is\n[[3.1416 2.7183]\n [1.4142 0.5772]]",
        "b.csv": "۲۳۵٬۱۴۶".encode(),
        "c.npz": buffer.getvalue(),
        "d.ipynb": b'{"cells": [{"cell_type": "code", "source": ["n = 235_", "146 # n"]}]}',
        "e.txt": b"3.1416 and 2.7183, then 1.5 and 0.5772; 235147; 2351460",
    }
    found = {
        (leak.place.split("/")[0].split(",")[0], leak.secret) for leak in leaks(members, secrets)
    }
    assert found == {
        ("a.txt", "the value of reference.f"),
        ("b.csv", "the value of reference.n"),
        ("c.npz", "the value of reference.f"),
        ("d.ipynb", "the value of reference.n"),
    }


def test_a_line_that_everybody_writes_is_no_secret() -> None:
    common = "import numpy as np\nfor x in xs:\n    loss.backward()\n    return x, y\nz = f(x)\n"
    assert not [*code_secrets(common, "here")]
    assert [s.text for s in code_secrets("y = np.maximum(x,\n    0) # right\n", "here")] == [
        "np.maximum(x,0)"
    ]


WRONG = """import numpy as np
M = np.array([[1.25, 2.5, 4.125], [3.5, 5.75, 9.0625], [0.5, 0.25, 7.375]])
total = M.sum(axis=0)
scaled = None
activation = "relu"
np.random.seed(3)"""


def test_a_cell_of_the_notebook_checks_a_question_as_the_command_does(handout: Handout) -> None:
    sources = [
        WRONG,
        "from grader import check\ncheck('numbers', language='en')",
        "print(check('extra').passed)",
        "import sys\nprint(np.random.randint(1 << 30), 'torch' in sys.modules)",
        "check('nothing')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    folder = {"metadata": {"path": str(handout.folder)}}
    NotebookClient(notebook, allow_errors=True, resources=folder).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    assert [len(each) for each in outputs] == [0, 1, 1, 1, 1]
    page = outputs[1][0].data["text/html"]
    assert "You summed the columns instead." in page
    assert "This check is made at grading." in page  # the hidden one
    assert "<script" not in page
    text = outputs[1][0].data["text/plain"]
    assert "Sum of the rows  2 of 4  Partly correct" in text
    assert outputs[2][0].text == "True\n"
    # The student's own random numbers go on as if nothing had been checked, and numpy was enough.
    assert outputs[3][0].text == f"{np.random.RandomState(3).randint(1 << 30)} False\n"
    assert outputs[4][0].evalue.endswith("there are: numbers, network, extra")
