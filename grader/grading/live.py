"""``from grader import check; check("conv-gradients")``: a question checked from a cell of the notebook."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from grader.checks.recorded import SavedOutputs
from grader.checks.replay import NotRecorded
from grader.checks.scoring import Judged, score_assignment
from grader.checks.session import Judge, run_session
from grader.checks.subject import Subject
from grader.course.assignment import Assignment
from grader.course.messages import say
from grader.feedback import question_html, question_text
from grader.grading.pack import SUFFIX, Pack, read_pack, unpacked
from grader.kernel.live import LiveRun, undisturbed
from grader.report import AT_GRADING, QuestionResult


class Verdict(msgspec.Struct, frozen=True):
    """What came of a question; notebooks show it as HTML."""

    question: QuestionResult
    language: str

    @property
    def passed(self) -> bool:
        """Whether every check passed that can be made here."""
        checks = [check for part in self.question.parts for check in part.checks]
        return all(check.verdict == "passed" for check in checks if not check.at_grading)

    def _repr_html_(self) -> str:
        return question_html(self.question, language=self.language)

    def __repr__(self) -> str:
        return question_text(self.question, language=self.language)


def check(question: str, *, pack: str | Path | None = None, language: str | None = None) -> Verdict:
    """Check your answers to one question, as the notebook stands now.

    The public checks of the question run on the names that your cells have left; nothing is sent
    anywhere. Parts that are read from saved outputs need the file: `grader check NOTEBOOK`.

    Parameters
    ----------
    question
        Its id, such as ``conv-gradients``.
    pack
        The check pack, or its folder; the folder of the notebook if left out.
    language
        fa or en; the course's first if left out.

    Raises
    ------
    LookupError
        If there is no pack with this question, or no notebook around.
    BadPack
        If the pack cannot be read.
    """
    shell = _shell()
    found = _pack_with(question, pack)
    if language is not None and language not in found.languages:
        raise LookupError(f"no language {language}: there are {', '.join(found.languages)}")
    cells = [str(source) for source in shell.user_ns.get("In", [""])[1:]]
    run = LiveRun(
        cells,
        shell.user_ns,
        found.limits,
        hidden=frozenset(shell.user_ns_hidden),
        files=dict(getattr(shell.compile, "_filename_map", {})),
    )
    with unpacked(found) as (_, assignment), undisturbed():
        result = run_session(
            assignment, lambda judge: _judged(judge, assignment, run, question), found.stand_in()
        )
    return Verdict(result, language or found.languages[0])


class LiveSubject(Subject):
    """A notebook whose outputs nobody has: they are in the page that shows it."""

    @property
    def saved(self) -> SavedOutputs:
        """Not known here."""
        raise NotRecorded("saved outputs", "recorded-in-the-file")

    @property
    def executed(self) -> SavedOutputs:
        """Not known here."""
        raise NotRecorded("outputs", "recorded-in-the-file")


def _judged(judge: Judge, assignment: Assignment, run: LiveRun, question: str) -> QuestionResult:
    """Judge one question; what is read from saved outputs waits for the file."""
    subject = LiveSubject(assignment, "", run.notebook, run)
    functions = {
        each.function
        for each in judge.checks
        if each.question == question
        and assignment.part(each.question, each.part).kind != "recorded"
    }
    judged, troubles = judge.public().judge(subject, functions)
    if troubles:
        raise RuntimeError(
            f"the check {troubles[0].check} fails by itself:\n{troubles[0].traceback}"
        )
    judged += [
        _in_the_file(each)
        for each in judge.without_answers("pending", say("recorded-in-the-file"))[0]
        if each.question == question and each.result.id not in {j.result.id for j in judged}
    ]
    _, questions = score_assignment(assignment, judged, {}, {})
    return next(each for each in questions if each.id == question)


def _in_the_file(judged: Judged) -> Judged:
    result = msgspec.structs.replace(judged.result, evidence={"kind": AT_GRADING})
    return msgspec.structs.replace(judged, result=result, credit=Decimal(0))


def _pack_with(question: str, place: str | Path | None) -> Pack:
    """Find the pack that has `question`."""
    given = Path.cwd() if place is None else Path(place)
    paths = sorted(given.glob(f"*{SUFFIX}")) if given.is_dir() else [given]
    if not paths:
        raise LookupError(
            f"there is no check pack in {given}: put it beside the notebook, or name it: "
            f'check("{question}", pack="…{SUFFIX}")'
        )
    known: list[str] = []
    for path in paths:
        pack = read_pack(path)
        ids = [each.id for each in pack.questions]
        if question in ids:
            return pack
        known += ids
    raise LookupError(f'no question "{question}" in {paths[0].name}; there are: {", ".join(known)}')


def _shell() -> Any:
    """Return the shell of the notebook that runs this."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None:
        raise LookupError(
            "check() belongs into a cell of a notebook; elsewhere: grader check NOTEBOOK"
        )
    return shell
