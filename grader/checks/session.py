"""One pytest session in a worker: checks collected once, then run for one submission after another."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Container, Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

import msgspec
import pytest

from grader.checks import plugin
from grader.checks.answer import Record
from grader.checks.declared import Check, checks_of, function_of
from grader.checks.outcome import Shortfall, left_to_grading
from grader.checks.replay import NotRecorded
from grader.checks.scoring import Judged
from grader.checks.subject import Subject
from grader.course.assignment import Assignment
from grader.course.messages import say
from grader.kernel.transcript import NotAsked
from grader.report import CheckResult, Text, Verdict

T = TypeVar("T")
_NO_POINTS = 0.0


class Trouble(msgspec.Struct, frozen=True):
    """A check that ended by the grader's own fault, with the traceback for whoever mends it."""

    check: str
    traceback: str


class Judge:
    """Runs the collected checks on one subject after another."""

    def __init__(
        self,
        assignment: Assignment,
        session: pytest.Session,
        checks: Sequence[Check],
        *,
        with_hidden: bool = True,
    ) -> None:
        self.assignment = assignment
        self.checks = checks
        found = {(item.name, function_of(item)): item for item in session.items}
        self._items = {
            place: found[check.id, check.function]
            for place, check in enumerate(checks)
            if (check.id, check.function) in found
        }
        self._session = session
        self._with_hidden = with_hidden

    def public(self) -> Judge:
        """A judge that runs the public checks only; hidden ones wait for the grading."""
        return Judge(self.assignment, self._session, self.checks, with_hidden=False)

    def judge(
        self, subject: Subject, functions: Container[str] | None = None
    ) -> tuple[list[Judged], list[Trouble]]:
        """Run every check on `subject`, or those of the named functions.

        Those that show their evidence come first: what student code learns of a hidden
        check's inputs and keeps, in a file or a variable, finds no way onto the card.
        """
        self._session.config.stash[plugin.SUBJECT] = subject
        subject.forks.shared = True
        items = self._items
        judged: dict[int, Judged] = {}
        troubles: list[Trouble] = []
        chosen: list[int] = []
        for place, check in enumerate(self.checks):
            if functions is not None and check.function not in functions:
                continue
            if place not in items or (check.hidden and not self._with_hidden):
                judged[place] = self._postponed(check)
            else:
                chosen.append(place)
        order = sorted(chosen, key=lambda place: self.checks[place].hidden)
        for number, place in enumerate(order, start=1):
            item, check = items[place], self.checks[place]
            following = items[order[number]] if number < len(order) else self._stranger(item)
            subject.forks.begin_check()
            result, error = self._run(item, check, following)
            if result.verdict != "passed" and subject.forks.relied_on:
                settled = subject.forks.used_before and subject.forks.settled()
                if subject.forks.used_before and not settled:
                    subject.forks.end()
                    subject.forks.begin_check(again=True)
                    result, error = self._run(item, check, following)
                if result.verdict != "passed" and not settled:
                    subject.doubtful = True
            judged[place] = result
            if result.verdict == "error" and error is not None:
                text = "".join(traceback.format_exception(error))
                troubles.append(Trouble(check.id, text[-8000:]))
        subject.forks.end()
        return [judged[place] for place in sorted(judged)], troubles

    def merged(self, earlier: Sequence[Judged], judged: Sequence[Judged]) -> list[Judged] | None:
        """Return what each check came to, now or earlier; None if one was never judged."""
        found = {each.result.id: each for each in (*earlier, *judged)}
        if any(check.id not in found for check in self.checks):
            return None
        return [
            msgspec.structs.replace(
                found[check.id], question=check.question, part=check.part, weight=check.weight
            )
            for check in self.checks
        ]

    def _stranger(self, item: pytest.Item) -> pytest.Item | None:
        """Return an item of another module, to be named as the one that follows `item`.

        pytest keeps what an item shares with the one that follows. Which check begins next time
        is not known: what all of them share may stay, and nothing else.
        """
        others = [other for other in self._session.items if other is not item]
        module = item.getparent(pytest.Module)
        strange = (other for other in others if other.getparent(pytest.Module) is not module)
        return next(strange, others[0] if others else None)

    def _run(
        self, item: pytest.Item, check: Check, following: pytest.Item | None
    ) -> tuple[Judged, BaseException | None]:
        """Run one check once; return its result and what it raised."""
        started = time.perf_counter()
        error = _ran(item, following)
        seconds = time.perf_counter() - started
        if isinstance(error, (KeyboardInterrupt, pytest.exit.Exception, NotAsked)):
            # What follows now is not what pytest was told: nothing may stay set up for it.
            self._session._setupstate.teardown_exact(None)  # noqa: SLF001
            raise error
        record = plugin.record_of(item) or Record(hidden=check.hidden)
        plugin.forget(item)
        return self._judged(check, error, record, seconds), error

    def without_answers(
        self, verdict: Verdict, message: Text
    ) -> tuple[list[Judged], list[Trouble]]:
        """Give every check the same end: there is no executed notebook to ask."""
        record = Record(hidden=False)
        judged = [
            self._result(check, verdict, Decimal(0), message, record, {}, None, 0.0)
            for check in self.checks
        ]
        return judged, []

    def _postponed(self, check: Check, why: str = "checked-at-grading") -> Judged:
        end = left_to_grading(why)
        record = Record(hidden=True)
        return self._result(
            check, "pending", Decimal(0), end.message, record, end.evidence, None, 0.0
        )

    def _judged(
        self, check: Check, error: BaseException | None, record: Record, seconds: float
    ) -> Judged:
        if error is None:
            return self._result(
                check, "passed", Decimal(1), _praise(record), record, {}, None, seconds
            )
        if isinstance(error, Shortfall):
            return self._result(
                check,
                error.verdict,
                error.credit,
                error.message,
                record,
                error.evidence,
                error.misconception,
                seconds,
            )
        if isinstance(error, NotRecorded):
            return self._postponed(check, error.key)
        if isinstance(error, AssertionError):
            evidence = {} if record.hidden else {"kind": "text", "asked": record.asked}
            message = say("assertion-failed")
            return self._result(
                check, "failed", Decimal(0), message, record, evidence, None, seconds
            )
        return self._result(
            check, "error", Decimal(0), say("grader-error"), record, {}, None, seconds
        )

    def _result(
        self,
        check: Check,
        verdict: Verdict,
        credit: Decimal,
        message: Text,
        record: Record,
        evidence: dict[str, Any],
        misconception: str | None,
        seconds: float,
    ) -> Judged:
        texts = self.assignment.texts.checks[check.function]
        shown = {**record.evidence, **evidence}
        if record.asked is not None and not record.hidden:
            shown.setdefault("asked", record.asked)
        if record.notes:
            shown["notes"] = record.notes
        if record.follow_through and verdict == "passed":
            shown["follow_through"] = True
        result = CheckResult(
            id=check.id,
            verdict=verdict,
            points=_NO_POINTS,
            max_points=_NO_POINTS,
            hidden=check.hidden,
            title=texts.title,
            message=message,
            hint=texts.hint if verdict in ("failed", "partial", "missing") else {},
            found_by=record.found_by,
            misconception=misconception,
            cell=record.cell,
            evidence=shown,
            seconds=round(seconds, 6),
        )
        return Judged(
            question=check.question,
            part=check.part,
            verdict=verdict,
            credit=credit,
            weight=check.weight,
            result=result,
        )


def _praise(record: Record) -> Text:
    if record.follow_through:
        return say("passed-follow-through")
    how, _, found = (record.found_by or "").partition(":")
    if how == "alias":
        return say("passed-found-by-alias", name=record.name, found=found)
    if how == "value":
        return say("passed-found-by-value", name=record.name, found=found)
    if how == "output" and record.name is not None:
        return say("passed-found-in-output", name=record.name, cell=int(found))
    if how == "call":
        return say("passed-found-by-behaviour", name=record.name, found=found)
    return say("passed")


def _ran(item: pytest.Item, following: pytest.Item | None) -> BaseException | None:
    """Run one item as pytest does, up to the reports that it would make; return what was raised."""
    item = cast("pytest.Function", item)
    item._initrequest()  # noqa: SLF001 - it may have run before
    hooks = item.ihook
    first: BaseException | None = None
    try:
        hooks.pytest_runtest_setup(item=item)
        hooks.pytest_runtest_call(item=item)
    except BaseException as error:  # noqa: BLE001 - it is judged
        first = error
    try:
        hooks.pytest_runtest_teardown(item=item, nextitem=following)
    except BaseException as error:  # noqa: BLE001 - it is judged
        first = first or error
    item.funcargs = {}  # they hold on to the submission
    return first


class _Driver:
    """Takes the place of pytest's own loop over the items."""

    def __init__(
        self, assignment: Assignment, work: Callable[[Judge], T], stand_in: StandIn | None
    ) -> None:
        self.assignment = assignment
        self.work = work
        self.stand_in = stand_in
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False
        self.failures: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failures.append(f"{report.nodeid}: {report.longreprtext.strip()}")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        session.config.stash[plugin.ASSIGNMENT] = self.assignment
        if self.stand_in is not None:
            session.config.stash[plugin.REFERENCE] = self.stand_in.reference
            session.config.stash[plugin.BEGIN] = self.stand_in.begin
        try:
            self.result = self.work(self._judge(session))
            self.done = True
        except BaseException as error:  # noqa: BLE001 - pytest would swallow it: the caller gets it
            self.error = error
        return True

    def _judge(self, session: pytest.Session) -> Judge:
        if self.failures:
            raise BrokenChecks("\n".join(self.failures))
        checks = None if self.stand_in is None else self.stand_in.checks
        if checks is None:
            checks = checks_of(self.assignment, session.items)
        return Judge(self.assignment, session, checks)


class BrokenChecks(RuntimeError):
    """The checks of an assignment cannot be collected; the message is pytest's."""


class StandIn(msgspec.Struct, frozen=True):
    """What takes the place of the reference.

    Attributes
    ----------
    reference
        Has the names that checks ask for.
    begin
        Called with a check's id and function before it runs.
    checks
        All checks of the assignment; those without code here are left to the grading. None: the
        checks that there is code for.
    """

    reference: Any
    begin: Callable[[str, str], plugin.Terms]
    checks: Sequence[Check] | None = None


def run_session(
    assignment: Assignment, work: Callable[[Judge], T], stand_in: StandIn | None = None
) -> T:
    """Collect the checks of `assignment` once and hand `work` a judge; return what it returns.

    Raises
    ------
    BrokenChecks, CourseError
        If the checks cannot be collected or do not fit the assignment.
    """
    driver = _Driver(assignment, work, stand_in)
    arguments = [
        str(assignment.folder),
        *("-p", "grader.checks.plugin", "-p", "no:terminal", "-p", "no:cacheprovider"),
        *("-p", "no:faulthandler", "-p", "no:warnings", "-p", "no:junitxml"),
        *("-p", "no:logging", "-p", "no:threadexception", "-p", "no:unraisableexception"),
        *("-p", "no:doctest", "-p", "no:unittest", "-p", "no:pastebin", "-p", "no:stepwise"),
        *("-p", "no:capture", "-p", "no:skipping", "-p", "no:setuponly", "-p", "no:setupplan"),
        *("--import-mode=importlib", "--rootdir", str(assignment.root)),
        *("-c", os.devnull),
    ]
    before = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        status = pytest.main(arguments, plugins=[driver])
    finally:
        if before is None:
            del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        else:
            os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = before
    if driver.error is not None:
        raise driver.error
    if not driver.done:
        reason = "\n".join(driver.failures) or f"pytest ended with status {status}"
        raise BrokenChecks(f"{assignment.folder}: {reason}")
    result: T = driver.result
    return result
