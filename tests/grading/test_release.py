"""``grader release`` and the check pack: what students receive, and what they do with it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import msgspec
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from grader.checks.hashed import hashed
from grader.checks.replay import Concealed, NotRecorded, Recorded, Replay
from grader.checks.session import Judge, run_session
from grader.checks.subject import Subject
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.course.errors import CourseError
from grader.grading.kept import Kept
from grader.grading.kept import unpacked as unpacked_run
from grader.grading.leaks import code_secrets, leaks, value_secrets
from grader.grading.live import LiveSubject
from grader.grading.pack import BadPack, Pack, read_pack, unpacked
from grader.grading.recording import ReleaseRefused, make_pack
from grader.kernel.live import LiveRun
from grader.report import CheckResult
from tests.desk import Desk
from tests.grading.handout import VALUES, WARMUP, Handout, solved

GRADER = [sys.executable, "-m", "grader.cli"]


def check(folder: Path, *arguments: str, network: bool = False) -> subprocess.CompletedProcess[str]:
    """Run ``grader check`` in `folder`, in a network that holds nothing."""
    offline = ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--chdir", str(folder)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [*([] if network else offline), *GRADER, "check", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_archive_holds_notebooks_data_pack_and_a_page_that_tells_how(handout: Handout) -> None:
    with zipfile.ZipFile(handout.archive) as archive:
        found = {name.removeprefix("warmup/") for name in archive.namelist()}
    assert {name for name in found if not name.endswith("/")} - {""} == {
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


NEVER_OUT = (
    "M.sum(axis=1)", "factor*v", "torch.relu(self.first(x))",  # solutions
    "optimiser.zero_grad()",  # of the recorded cell
    "test_scale_function", "rng.normal", "np.array([3.0,6.0])", "scale(v,3.0)",  # the hidden check
    "networkisonelinearfunction", "یکتابعخطیاست",  # model answers
    "SOLUTION",
)  # fmt: skip


def test_neither_the_bytes_nor_the_decoded_pack_hold_a_solution_or_a_hidden_check(
    handout: Handout,
) -> None:
    """Searched without the release's own search, and the places where they do stand with it."""
    whole = (handout.folder / "warmup.pack").read_bytes()
    plain = zlib.decompress(whole[whole.index(b"\n") + 1 :])
    assert b"test_row_sums" in plain  # it is the pack that is read
    written = msgspec.msgpack.decode(plain)
    with zipfile.ZipFile(handout.archive) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".pack")]
        texts = [archive.read(name).decode() for name in names]
    texts += [json.dumps(json.loads(t), ensure_ascii=False) for t in texts if t.startswith("{")]
    texts += [plain.decode("utf-8", "ignore"), str(written), *written["files"].values()]
    for needle in NEVER_OUT:
        assert not [t for t in texts if needle in re.sub(r"\s|\\\\n", "", t)], needle
    told = [*(WARMUP / "reference").glob("*.py"), *(WARMUP / "assignments").rglob("*.[pt][yo]*")]
    secret = "".join(re.sub(r"\s", "", path.read_text("utf-8")) for path in told)
    assert all(needle in secret for needle in NEVER_OUT)


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


def test_what_needs_outputs_waits_for_the_file_when_a_cell_asks() -> None:
    """The kernel does not have them, and a picture that cannot be seen is not missing."""
    limits = read_assignment(read_course(WARMUP), "warmup").limits
    run = LiveRun(["import numpy as np", "x = 3"], {"x": 3}, limits)
    subject = LiveSubject(read_assignment(read_course(WARMUP), "warmup"), "", run.notebook, run)
    assert subject.variables == {"x": 3}
    assert subject.cell_of("x") == 1
    for look in ("saved", "executed"):
        with pytest.raises(NotRecorded) as waits:
            getattr(subject, look)
        assert waits.value.key == "recorded-in-the-file"


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


def packed(course: Path, warmup: Desk, settings: str, folder: Path) -> tuple[Pack, Kept]:
    """Pack the warm-up assignment with other settings for self-checking."""
    file = course / "assignments" / "warmup" / "assignment.toml"
    file.write_text(
        file.read_text("utf-8").replace("[limits]", f"{settings}\n[limits]", 1), "utf-8"
    )
    checks = course / "assignments" / "warmup" / "test_network.py"
    source = checks.read_text("utf-8").replace(
        "test_choice(student,", "test_choice(student, reference,"
    )
    checks.write_text(source.replace('.choice("relu")', ".choice(reference.activation)"), "utf-8")
    read = read_course(course)
    kept = kept_run(warmup, solved(), folder)
    return make_pack(read, read_assignment(read, "warmup"), solved(), kept).pack, kept


def kept_run(warmup: Desk, notebook: NotebookNode, folder: Path) -> Kept:
    path = folder / "graded.ipynb"
    nbformat.write(notebook, path)
    kept = warmup._grader.grade("reference", path).kept
    assert kept is not None
    return unpacked_run(kept)


def judged_from(pack: Pack, notebook: NotebookNode, kept: Kept) -> dict[str, CheckResult]:
    """Judge what was kept of a notebook by the public checks of a pack."""

    def work(judge: Judge) -> dict[str, CheckResult]:
        run = kept.run(notebook, pack.limits)
        subject = Subject(judge.assignment, "reference", notebook, run)
        judged, troubles = judge.public().judge(subject)
        assert not troubles
        return {each.result.id: each.result for each in judged}

    with unpacked(pack) as (_, assignment):
        return run_session(assignment, work, pack.stand_in())


def test_a_hash_tells_a_right_answer_from_a_wrong_one_and_the_pack_holds_neither(
    course: Path, warmup: Desk, tmp_path: Path
) -> None:
    settings = (
        '[self_check]\n"extra/choice" = "hash"\n"numbers/sum" = "format"\ntest_scaled = "grading"\n'
    )
    pack, kept = packed(course, warmup, settings, tmp_path)
    assert "activation" not in pack.reference.values
    assert not pack.reference.calls
    (hashed,) = pack.hashes["test_choice"]
    assert hashed is not None
    assert b"relu" not in hashed.digest + hashed.salt
    right = judged_from(pack, solved(), kept)
    assert right["test_choice"].verdict == "passed"
    assert right["test_row_sums"].at_grading
    assert "can be read" in right["test_row_sums"].message["en"]
    assert "test_scaled" not in right
    changed = solved(choice='activation = "none"', values="total = 'seven'\nscaled = 1")
    wrong = judged_from(pack, changed, kept_run(warmup, changed, tmp_path))
    assert wrong["test_choice"].verdict == "failed"
    assert "only a fingerprint" in wrong["test_choice"].message["en"]
    assert wrong["test_row_sums"].verdict == "missing"


def test_a_table_of_numbers_is_no_answer_to_hash(
    course: Path, warmup: Desk, tmp_path: Path
) -> None:
    with pytest.raises(
        ReleaseRefused, match=r"self_check\.test_row_sums: .hash. does not work here"
    ):
        packed(course, warmup, '[self_check]\n"numbers/sum" = "hash"\n', tmp_path)


def test_a_setting_for_no_check_is_named(course: Path, warmup: Desk, tmp_path: Path) -> None:
    with pytest.raises(ReleaseRefused, match=r"self_check\.test_row: there is no such check"):
        packed(course, warmup, '[self_check]\ntest_row = "hash"\n', tmp_path)
    with pytest.raises(CourseError, match='no check belongs to a part "numbers/sums"'):
        packed(course, warmup, '"numbers/sums" = "hash"\n', tmp_path)


@pytest.mark.parametrize(
    ("expected", "rtol", "right", "wrong"),
    [
        (235146, 0.0, [235146, 235146.0, np.int32(235146)], [235147, "relu", None]),
        (0.123456, 1e-4, [0.123456, 0.12346, 0.123451], [0.1236, -0.123456, 0]),
        (True, 0.0, [True, np.True_], [False]),
        ("relu", 0.0, ["relu", " relu"], ["ReLU?"]),
        (np.array([[1, 2], [3, 4]]), 0.0, [[[1, 2], [3, 4]]], [[1, 2, 3, 4], [[1, 2], [3, 5]]]),
    ],
)
def test_a_hashed_value_agrees_with_what_is_as_near_as_its_digits(
    expected: object, rtol: float, right: list[object], wrong: list[object]
) -> None:
    made = hashed(expected, b"salt of sixteen.", rtol=rtol)
    assert all(made.agrees(answer) for answer in right)
    assert not any(made.agrees(answer) for answer in wrong)


def test_a_file_that_is_no_pack_is_named_with_the_remedy(tmp_path: Path, handout: Handout) -> None:
    whole = (handout.folder / "warmup.pack").read_bytes()
    for name, data in {"a": b"", "b": whole[:-20], "c": whole[:40] + b"x" * 99}.items():
        path = tmp_path / f"{name}.pack"
        path.write_bytes(data)
        with pytest.raises(BadPack, match="download it again"):
            read_pack(path)
    other = tmp_path / "d.pack"
    other.write_bytes(whole.replace(b"pack 1", b"pack 2", 1))
    with pytest.raises(BadPack, match="pip install -U karnameh"):
        read_pack(other)
    (tmp_path / "lone").mkdir()
    done = check(tmp_path / "lone", str(handout.folder / "nothing.ipynb"), network=True)
    assert done.returncode == 2
