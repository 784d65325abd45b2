"""Grade one hand-in: find, read, run, judge, score. Whatever it is, a Report comes of it."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, Self

import msgspec
from msgspec.structs import replace
from nbformat import NotebookNode

from grader import __version__
from grader.checks.scoring import Judged, Marks, percent_of, score_assignment
from grader.checks.session import Judge, Trouble
from grader.checks.subject import Subject
from grader.course.assignment import Assignment, Limits
from grader.course.messages import say
from grader.grading import notices
from grader.grading.kept import again, keep, unpacked
from grader.grading.records import KernelName
from grader.grading.warmth import asked_by_checks, used_by
from grader.kernel.allowance import Allowance
from grader.kernel.run import Kernel, Run, process_limits, run_notebook
from grader.kernel.starting import ZygoteError
from grader.kernel.transcript import NotAsked, Turn
from grader.notebook import (
    Found,
    Unreadable,
    find_notebook,
    read_notebook,
    secrets_left,
    storable,
)
from grader.report import (
    CellOutput,
    CellResult,
    Criterion,
    Late,
    Notice,
    Provenance,
    Report,
    Seconds,
    Verdict,
    rounded,
)
from grader.secrets import redact, redact_all

if TYPE_CHECKING:
    from grader.kernel.zygotes import Zygote

SEED = 0
"""Seed of Python, numpy and torch before the first cell of every notebook."""
RELEASED = "files"
"""Folder of an assignment whose files lie beside the notebook, when it is released and when it runs."""
SHOWN_OUTPUT = 4_000
"""Characters of one output that a report keeps."""
SHOWN_IMAGE = 200_000
"""Largest picture (base64) that a report keeps."""
SHOWN_SOURCE = 20_000
ATTEMPTS = 6
"""How often a hand-in is graded whose zygote ends meanwhile."""


class Graded(msgspec.Struct, frozen=True):
    """One hand-in graded.

    Attributes
    ----------
    troubles
        Tracebacks of checks that failed by themselves.
    kept
        What it takes to judge a changed check later without running the notebook again.
    stages
        Seconds by the clock of each stage.
    """

    report: Report
    troubles: list[Trouble]
    kept: bytes | None = None
    stages: dict[str, float] = {}


class Grader:
    """Grades one hand-in after another with a warm zygote; use it as a context manager.

    Parameters
    ----------
    judge
        The collected checks of the assignment.
    kernel
        ``forked`` from a zygote, or ``cold``: a standard ipykernel for each hand-in; ``plain``: one
        without limits, for students' own machines, whatever they are.
    caged
        Whether student code is confined.
    marks
        What persons gave for rubric parts, by student.
    late
        How late each student's hand-in is; None where that is not known.
    zygote
        One that starts already: this grader ends it.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        kernel: KernelName | Literal["plain"] = "forked",
        caged: bool = True,
        marks: Callable[[str], Marks] | None = None,
        late: Callable[[str], Late | None] | None = None,
        zygote: Zygote | None = None,
    ) -> None:
        self.assignment: Assignment = judge.assignment
        self.judge = judge
        self._kernel = kernel
        self._caged = caged
        self._marks = marks or (lambda student: {})
        self._late = late or (lambda student: None)
        self._zygote = zygote
        self._sources = _hash_of_sources(self.assignment)
        self._released = released_files(self.assignment)
        self._forking = 0.0
        self._asked = asked_by_checks(self.assignment)

    def close(self) -> None:
        """End the zygote."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the stages -------------------------------------------------------------------

    def grade(self, student: str, path: Path) -> Graded:
        """Grade the hand-in at `path` (folder, notebook or zip); never raises for what it holds.

        A zygote that ends meanwhile, killed by whom it may be, takes the notebook's process with
        it: that is not the student's doing, and a fresh one grades from the start.
        """
        reason = ""
        for _ in range(ATTEMPTS):
            try:
                return self._grade(student, path)
            except ZygoteError as error:
                self.close()
                reason = str(error)
        return self.lost(student, path, reason)

    def _grade(self, student: str, path: Path) -> Graded:
        started = time.perf_counter()
        notices_: list[Notice] = []
        try:
            found = find_notebook(path, self.assignment.slug)
            notices_ += notices.of_findings(found.findings)
            submission = read_notebook(found.notebook)
        except Unreadable as problem:
            notices_ += notices.of_findings(problem.findings)
            return self._without_run(student, None, notices_, started, "missing", "no-notebook")
        notices_ += notices.of_findings(submission.findings)
        if submission.language != "python":
            text = say("other-language", language=submission.language)
            notices_.append(Notice(id="other-language", text=text))
            return self._without_run(
                student, found.name, notices_, started, "missing", "no-notebook"
            )
        warm = self._warm_for(submission.notebook)
        running = time.perf_counter()
        self._forking = 0.0
        run = run_notebook(
            submission.notebook,
            lambda: self._start_kernel(found, warm),
            self.assignment.limits,
        )
        with run:
            judging = time.perf_counter()
            answers: dict[bytes, bytes] = {}
            run.turns = lambda shared: Turn(answers, shared=shared)
            subject = Subject(self.assignment, student, submission.notebook, run)
            judged, troubles = self.judge.judge(subject)
            judged_seconds = time.perf_counter() - judging
            allowed = Allowance(self.assignment.limits.judging_seconds).wall
            probing = min(judged_seconds, allowed - run.judging.wall)
            if self._zygote is not None:
                self._zygote.must_live()
        notices_ += notices.of_run(run, self.assignment.limits)
        if subject.silent:
            notices_.append(Notice(id="no-answers", text=say("no-answers")))
        secrets = secrets_left(run.notebook)
        notices_ += notices.of_findings(secrets)
        report = self._report(
            student,
            found.name,
            judged,
            cells=_cell_results(run, redact if secrets else str),
            notices_=notices_,
            hashes={"submission": submission.sha256},
            cage=run.layers,
            seconds=Seconds(
                run=round(run.seconds, 4),
                judge=round(judged_seconds, 4),
                total=round(time.perf_counter() - started, 4),
            ),
        )
        kept = keep(run, answers, judged)
        clean = without_secrets(report, everywhere=bool(secrets))
        stages = {
            "read": running - started,
            "fork": self._forking,
            "cells": run.seconds - self._forking,
            "probes": probing,
            "judge": judged_seconds - probing,
            "report": time.perf_counter() - judging - judged_seconds,
        }
        return Graded(clean, troubles, kept, stages)

    @contextmanager
    def opened(
        self, student: str, path: Path, *, seed: int = SEED, limits: Limits | None = None
    ) -> Iterator[Subject]:
        """Run a hand-in and lend it with its live process, for whoever chooses what to ask.

        Raises
        ------
        Unreadable
            If there is no notebook, or it cannot be read.
        """
        limits = limits or self.assignment.limits
        found = find_notebook(path, self.assignment.slug)
        notebook = read_notebook(found.notebook).notebook
        warm = self._warm_for(notebook)
        with run_notebook(notebook, lambda: self._start_kernel(found, warm, seed), limits) as run:
            yield Subject(self.assignment, student, notebook, run)

    def regrade(
        self, student: str, path: Path, data: bytes, earlier: Report, functions: Container[str]
    ) -> Graded:
        """Judge the named check functions again, from what was kept; all else stays as it was.

        Where they ask what was not asked then, the hand-in is graded from the start.
        """
        started = time.perf_counter()
        try:
            kept = unpacked(data)
            submission = read_notebook(find_notebook(path, self.assignment.slug).notebook)
        except (Unreadable, msgspec.DecodeError, zlib.error):
            return self.grade(student, path)
        run = kept.run(submission.notebook, self.assignment.limits)
        subject = Subject(self.assignment, student, submission.notebook, run)
        try:
            judged, troubles = self.judge.judge(subject, functions)
        except NotAsked:
            return self.grade(student, path)
        unsure = run.shared and subject.doubtful
        merged = self.judge.merged(kept.judged, judged)
        if run.missed or unsure or merged is None:
            return self.grade(student, path)
        seconds = replace(earlier.seconds, total=round(time.perf_counter() - started, 4))
        report = self._report(
            student,
            earlier.notebook,
            merged,
            cells=earlier.cells,
            notices_=earlier.warnings,
            hashes={"submission": submission.sha256},
            cage=run.layers,
            seconds=seconds,
            versions=earlier.provenance.versions,
        )
        secrets = secrets_left(run.notebook)
        graded = without_secrets(report, everywhere=bool(secrets))
        stages = {"judge again": time.perf_counter() - started}
        return Graded(graded, troubles, again(data, merged), stages)

    def lost(self, student: str, path: Path, reason: str) -> Graded:
        """Report a hand-in that could not be graded for `reason`: the grader's fault, not theirs."""
        graded = self._without_run(
            student, storable(path.name), [], time.perf_counter(), "error", "grader-error"
        )
        return Graded(graded.report, [Trouble("run", reason)])

    def make_ready(self) -> None:
        """Wait for a zygote that has started.

        Raises
        ------
        ZygoteError, NoCage
            If it does not come up.
        """
        if self._zygote is not None:
            self._zygote.wait_until_ready()

    def _warm_for(self, notebook: NotebookNode) -> list[str]:
        """What the zygote should have ready for this notebook and the checks."""
        code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
        return self._asked + used_by(code)

    def _start_kernel(self, found: Found, warm: Sequence[str], seed: int = SEED) -> Kernel:
        started = time.perf_counter()
        try:
            return self._started_kernel(found, warm, seed)
        finally:
            self._forking += time.perf_counter() - started

    def _started_kernel(self, found: Found, warm: Sequence[str], seed: int) -> Kernel:
        limits = self.assignment.limits
        files = {PurePosixPath(name): data for name, data in self._released.items()}
        files |= {PurePosixPath(file.name): file.data for file in found.files}
        if self._kernel == "plain":
            from grader.kernel.plain import PlainKernel

            return PlainKernel(
                files=files,
                seed=SEED,
                output_bytes=limits.output_kb << 10,
                message_bytes=limits.message_mb << 20,
            )
        # The others need Linux: students may have another machine.
        from grader.kernel.cold import ColdKernel
        from grader.kernel.forked import ForkedKernel
        from grader.kernel.zygotes import Zygote

        if self._kernel == "cold":
            return ColdKernel(
                process_limits(limits),
                files=files,
                seed=seed,
                output_bytes=limits.output_kb << 10,
                message_bytes=limits.message_mb << 20,
                caged=self._caged,
            )
        if self._zygote is None:
            self._zygote = Zygote(caged=self._caged)
        child = self._zygote.start_child(
            process_limits(limits),
            files=files,
            seed=seed,
            output_bytes=limits.output_kb << 10,
            message_bytes=limits.message_mb << 20,
            warm=warm,
        )
        return ForkedKernel(child, limits.output_kb << 10)

    def _without_run(
        self,
        student: str,
        notebook: str | None,
        notices_: list[Notice],
        started: float,
        verdict: Verdict,
        message: str,
    ) -> Graded:
        judged, troubles = self.judge.without_answers(verdict, say(message))
        total = round(time.perf_counter() - started, 4)
        report = self._report(
            student,
            notebook,
            judged,
            cells=[],
            notices_=notices_,
            hashes={},
            cage=[],
            seconds=Seconds(run=0.0, judge=0.0, total=total),
        )
        return Graded(without_secrets(report, everywhere=False), troubles)

    def _report(
        self,
        student: str,
        notebook: str | None,
        judged: Sequence[Judged],
        *,
        cells: list[CellResult],
        notices_: list[Notice],
        hashes: dict[str, str],
        cage: list[str],
        seconds: Seconds,
        versions: Mapping[str, str] | None = None,
    ) -> Report:
        late = self._late(student)
        found = versions or (self._versions() if cage else {})
        score, questions = score_assignment(
            self.assignment,
            judged,
            _criteria(self.assignment),
            self._marks(student),
            percent_of(late),
        )
        limits = self.assignment.limits
        return Report(
            assignment=self.assignment.slug,
            title=self.assignment.title,
            student=student,
            notebook=notebook,
            score=score,
            questions=questions,
            cells=cells,
            warnings=notices_,
            provenance=Provenance(
                versions={"grader": __version__, **found},
                seeds={"notebook": SEED},
                limits={name: float(getattr(limits, name)) for name in limits.__struct_fields__},
                hashes={**hashes, **self._sources},
                kernel=self._kernel,
                cage=cage,
            ),
            seconds=seconds,
            late=late,
        )

    def _versions(self) -> Mapping[str, str]:
        return {} if self._zygote is None else self._zygote.versions


def _criteria(assignment: Assignment) -> dict[str, list[Criterion]]:
    return {
        place: [
            Criterion(id=c.id, text=c.text, max_points=rounded(Decimal(c.points)))
            for c in rubric.criteria
        ]
        for place, rubric in assignment.rubric.items()
    }


def _hash_of_sources(assignment: Assignment) -> dict[str, str]:
    """Hash what decides the verdicts: the files of the assignment, and its reference."""
    checks = hashlib.sha256()
    for path in sorted(assignment.folder.glob("*")):
        if path.suffix in (".py", ".toml"):
            checks.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    hashes = {"checks": checks.hexdigest()}
    reference = assignment.root / "reference" / f"{assignment.slug}.py"
    if reference.is_file():  # students who check themselves have none
        hashes["reference"] = hashlib.sha256(reference.read_bytes()).hexdigest()
    return hashes


def released_files(assignment: Assignment) -> dict[str, bytes]:
    """Return the data files that go out with the notebook, by relative path."""
    folder = assignment.folder / RELEASED
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def without_secrets(report: Report, *, everywhere: bool) -> Report:
    """Return `report` with every password, key and token in its texts masked.

    Where the notebook itself holds none, only what came from elsewhere is looked at: values that
    checks asked for (a key read from a file, say), messages and names.
    """
    if everywhere:
        return msgspec.convert(redact_all(msgspec.to_builtins(report)), Report)
    checks = [c for q in report.questions for p in q.parts for c in p.checks]
    said = [report.notebook, [w.text for w in report.warnings]]
    said += [[c.message, c.evidence] for c in checks]
    return report if redact_all(said) is said else without_secrets(report, everywhere=True)


# -- what the report keeps of the cells ---------------------------------------------------


Clean = Callable[[str], str]
"""What is done to a text before it is cut, so that no cut hides half of a secret."""


def _cell_results(run: Run, clean: Clean) -> list[CellResult]:
    return [
        CellResult(
            index=cell.index,
            status=cell.status,
            seconds=round(cell.seconds, 4),
            source=clean(run.notebook.cells[cell.index].source)[:SHOWN_SOURCE],
            error=cell.error,
            outputs=_outputs(run.notebook.cells[cell.index], clean),
        )
        for cell in run.cells
    ]


def _outputs(cell: NotebookNode, clean: Clean) -> list[CellOutput]:
    kept = []
    for output in cell.outputs[:20]:
        if output.output_type == "stream":
            kept.append(CellOutput(kind="text", data=_cut(clean(output.text))))
        elif output.output_type == "error":
            text = "\n".join(output.traceback) or f"{output.ename}: {output.evalue}"
            kept.append(CellOutput(kind="error", data=_cut(clean(text))))
        else:
            kept += _bundle(output.data, clean)
    return kept


def _bundle(data: Mapping[str, object], clean: Clean) -> list[CellOutput]:
    for mime in ("image/png", "image/jpeg"):
        image = data.get(mime)
        if isinstance(image, str) and len(image) <= SHOWN_IMAGE:
            return [CellOutput(kind="image", data="".join(image.split()), mime=mime)]
    text = data.get("text/plain")
    return [CellOutput(kind="text", data=_cut(clean(text)))] if isinstance(text, str) else []


def _cut(text: str) -> str:
    if len(text) <= SHOWN_OUTPUT:
        return text
    half = SHOWN_OUTPUT // 2
    return f"{text[:half]}\n… {len(text) - SHOWN_OUTPUT} …\n{text[-half:]}"
