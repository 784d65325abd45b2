"""Make a check pack: record what the reference answers, and see that the pack judges as it does."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import nbformat
from nbformat import NotebookNode

from grader.checks.declared import Check
from grader.checks.hashed import Hashed, Unhashable, hashed
from grader.checks.plugin import Terms
from grader.checks.pruned import pruned
from grader.checks.reference import Reference
from grader.checks.replay import Recorded, Recorder
from grader.checks.scoring import Judged
from grader.checks.session import Judge, StandIn, Trouble, run_session
from grader.checks.subject import Subject
from grader.course.assignment import FILE, Assignment, SelfChecking
from grader.course.course import Course
from grader.course.feedback import CheckText, Feedback
from grader.grading.kept import Kept
from grader.grading.kept import unpacked as unpacked_run
from grader.grading.pack import Pack, PackedCheck, new_pack, unpacked
from grader.grading.submission import Graded, Grader, released_files
from grader.kernel.caged import wire
from grader.kernel.transcript import NotAsked

_VALUE_BYTES: Final = 64 << 20


class ReleaseRefused(ValueError):
    """The assignment must not go out as it is; the message says what, where, and what to do."""


class Made(msgspec.Struct, frozen=True):
    """A pack, and what its maker learned.

    Attributes
    ----------
    pack
        Ready to be written.
    postponed
        Public checks that could not be packed, each with the reason and the remedy.
    secrets
        What the reference answered to nobody but checks that are not replayed: the name that it
        came from and the value.
    """

    pack: Pack
    postponed: dict[str, str]
    secrets: list[tuple[str, Any]]


class _Recording(msgspec.Struct, frozen=True):
    """The public and hidden checks on the solved notebook."""

    checks: list[Check]
    recorder: Recorder
    wanted: dict[str, list[Any]]
    verdicts: dict[str, Judged]
    kept: Kept


def make_pack(
    course: Course, assignment: Assignment, solved: NotebookNode, run: Kept | None = None
) -> Made:
    """Record the checks of `assignment` on the notebook with the solutions, and pack them.

    Parameters
    ----------
    run
        What was kept of that notebook, if it was graded before as that of the student
        ``reference``.

    Raises
    ------
    ReleaseRefused
        If the reference does not pass its own checks, or a setting of assignment.toml cannot be
        kept.
    """
    _check_settings(assignment)
    recording = _record(assignment, solved, run)
    modes, postponed = _modes(assignment, recording)
    while True:
        pack = _packed(course, assignment, recording, modes)
        unlike = _unlike(pack, recording, solved)
        if not unlike:
            break
        for check, reason in unlike.items():
            if modes[check] != "replay":
                raise ReleaseRefused(
                    f"{FILE}: self_check.{check}: {modes[check]!r} does not work here: {reason}; "
                    'make it "grading", or let the check compare a single value'
                )
            modes[check] = "grading"
            postponed[check] = reason
    return Made(pack, postponed, _secrets(recording, modes))


def _check_settings(assignment: Assignment) -> None:
    for name in assignment.self_check:
        if "/" not in name and name not in assignment.texts.checks:
            raise ReleaseRefused(
                f"{FILE}: self_check.{name}: there is no such check; write the name of a test "
                'function, or "question/part"'
            )


def _record(assignment: Assignment, solved: NotebookNode, run: Kept | None) -> _Recording:
    """Run the solved notebook once, with all checks, and write down what they are answered."""
    path = assignment.root / "reference" / f"{assignment.slug}.py"
    recorder = Recorder(Reference(path))
    wanted: dict[str, list[Any]] = {}

    def begin(check: str, function: str) -> Terms:
        recorder.check = function
        wanted[check] = []  # a check that is judged twice begins anew
        return Terms(wanted=wanted[check])

    def again(judge: Judge, kept: Kept) -> _Recording:
        judged, troubles = judge.judge(_subject(assignment, solved, kept))
        _must_work(troubles)
        verdicts = {each.result.id: each for each in judged}
        return _Recording(list(judge.checks), recorder, wanted, verdicts, kept)

    def work(judge: Judge) -> _Recording:
        if run is not None:
            with suppress(NotAsked):  # what the notebook is told in the midst of a call
                return again(judge, run)
        graded = _graded(judge, solved)
        _must_work(graded.troubles)
        if graded.kept is None:
            raise ReleaseRefused(
                "the checks ask the reference's notebook for more than can be kept"
            )
        kept = unpacked_run(graded.kept)
        verdicts = {judged.result.id: judged for judged in kept.judged}
        return _Recording(list(judge.checks), recorder, wanted, verdicts, kept)

    recording = run_session(assignment, work, StandIn(recorder, begin))
    for check, judged in recording.verdicts.items():
        if judged.verdict != "passed":
            said = judged.result.message.get("en", judged.verdict)
            raise ReleaseRefused(
                f"the reference does not pass its own check {check} ({judged.verdict}: {said}); "
                "mend the check or the reference"
            )
    return recording


def _graded(judge: Judge, solved: NotebookNode) -> Graded:
    """Run the solved notebook and judge it; the teacher's own code needs no cage."""
    with TemporaryDirectory(prefix="karnameh-") as folder, Grader(judge, caged=False) as grader:
        notebook = Path(folder) / f"{judge.assignment.slug}.ipynb"
        nbformat.write(solved, notebook)
        return grader.grade("reference", notebook)


def _subject(assignment: Assignment, solved: NotebookNode, kept: Kept) -> Subject:
    return Subject(assignment, "reference", solved, kept.run(solved, assignment.limits))


def _must_work(troubles: Sequence[Trouble]) -> None:
    for trouble in troubles:
        raise ReleaseRefused(f"the check {trouble.check} fails by itself:\n{trouble.traceback}")


def _modes(
    assignment: Assignment, recording: _Recording
) -> tuple[dict[str, SelfChecking], dict[str, str]]:
    """How each public check function goes out; and why those wait that could not be recorded."""
    modes: dict[str, SelfChecking] = {}
    postponed: dict[str, str] = {}
    for check in recording.checks:
        if check.hidden:
            continue
        setting = assignment.self_check.get(f"{check.question}/{check.part}", "replay")
        mode = assignment.self_check.get(check.function, setting)
        opaque = recording.recorder.opaque.get(check.function, [])
        if mode == "replay" and opaque:
            mode = "grading"
            names = ", ".join(f"reference.{name}" for name in opaque)
            postponed[check.function] = (
                f"{names} takes or gives what is no plain data, which alone can be recorded; let "
                "the reference take and return arrays, numbers or texts"
            )
        modes[check.function] = mode
    return modes, postponed


def _packed(
    course: Course,
    assignment: Assignment,
    recording: _Recording,
    modes: Mapping[str, SelfChecking],
) -> Pack:
    here = {function for function, mode in modes.items() if mode != "grading"}
    replayed = {function for function, mode in modes.items() if mode == "replay"}
    files = _files(assignment, here)
    reference = Recorded()
    for function in sorted(replayed):
        reference |= recording.recorder.by_check.get(function, Recorded())
    checks, texts = _as_students_know_them(assignment, recording.checks, modes, files)
    return new_pack(
        course,
        assignment,
        texts=texts,
        checks=checks,
        files=files,
        reference=reference,
        hashes={
            check.id: _hashes(assignment, check, recording.wanted.get(check.id, []))
            for check in recording.checks
            if modes.get(check.function) == "hash"
        },
        data=released_files(assignment),
    )


def _files(assignment: Assignment, kept: set[str]) -> dict[str, str]:
    """Return the sources of the checks that go out, and of the files beside them that they name."""
    sources = {path.name: path.read_text("utf-8") for path in assignment.folder.glob("*.py")}
    files = {
        name: text
        for name, source in sorted(sources.items())
        if name.startswith("test_") and (text := pruned(source, kept, file=name))
    }
    beside = {name for name in sources if not name.startswith("test_")}
    waiting = list(files.values())
    while waiting:
        named = _texts_in(waiting.pop())
        for name in sorted(beside):
            if {name, name.removesuffix(".py")} & named or name == "conftest.py":
                beside.discard(name)
                files[name] = sources[name]
                waiting.append(sources[name])
    return files


def _texts_in(source: str) -> set[str]:
    """Return the string constants and the imported modules of a source."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def _as_students_know_them(
    assignment: Assignment,
    checks: Sequence[Check],
    modes: Mapping[str, SelfChecking],
    files: Mapping[str, str],
) -> tuple[list[PackedCheck], Feedback]:
    """Return the checks and the sentences about them; of a hidden one the title and the points."""
    packed: list[PackedCheck] = []
    texts: dict[str, CheckText] = {}
    for number, check in enumerate(checks, start=1):
        known = assignment.texts.checks[check.function]
        mode: SelfChecking = "grading" if check.hidden else modes[check.function]
        id_, function = check.id, check.function
        if mode == "grading":
            id_ = function = f"test_at_grading_{number}"
            known = CheckText(title=known.title)
        texts[function] = known
        packed.append(
            PackedCheck(
                id=id_,
                function=function,
                question=check.question,
                part=check.part,
                weight=check.weight,
                hidden=check.hidden,
                mode=mode,
            )
        )
    said = set().union(*map(_texts_in, files.values())) if files else set()
    feedback = Feedback(
        checks=texts,
        misconceptions={k: v for k, v in assignment.texts.misconceptions.items() if k in said},
        notes={k: v for k, v in assignment.texts.notes.items() if k in said},
    )
    return packed, feedback


def _hashes(assignment: Assignment, check: Check, wanted: Sequence[Any]) -> list[Hashed | None]:
    made: list[Hashed | None] = []
    for place, (expected, rtol) in enumerate(wanted):
        salt = hashlib.sha256(f"{assignment.slug}\0{check.id}\0{place}".encode()).digest()[:16]
        try:
            made.append(hashed(expected, salt, rtol=rtol))
        except Unhashable:
            made.append(None)
    return made


def _unlike(pack: Pack, recording: _Recording, solved: NotebookNode) -> dict[str, str]:
    """Judge the solved notebook from the pack; return the checks that come to something else."""

    def work(judge: Judge) -> list[Judged]:
        public = judge.public()
        with suppress(NotAsked):
            judged, troubles = public.judge(_subject(judge.assignment, solved, recording.kept))
            _must_work(troubles)
            return judged
        graded = _graded(public, solved)
        _must_work(graded.troubles)
        return [] if graded.kept is None else unpacked_run(graded.kept).judged

    with unpacked(pack) as (_, assignment):
        found = run_session(assignment, work, pack.stand_in())
    unlike: dict[str, str] = {}
    for check, judged in zip(pack.checks, found, strict=True):
        read_only = check.mode == "format" and judged.result.at_grading
        if check.mode != "grading" and judged.verdict != "passed" and not read_only:
            said = judged.result.message.get("en", judged.verdict)
            unlike[check.function] = f"from the pack it comes to {judged.verdict}: {said}"
    return unlike


def _secrets(recording: _Recording, modes: Mapping[str, SelfChecking]) -> list[tuple[str, Any]]:
    """Return what the reference answered to checks that are not replayed, and to no other."""
    known: set[bytes] = set()
    secrets: dict[str, Any] = {}
    for function, recorded in recording.recorder.by_check.items():
        for key, value in recorded.answers():
            if modes.get(function) == "replay":
                known.add(wire.pack(value, _VALUE_BYTES))
            else:
                secrets[key] = value
    return [
        (key.partition(" ")[0], value)
        for key, value in secrets.items()
        if wire.pack(value, _VALUE_BYTES) not in known
    ]
