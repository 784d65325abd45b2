"""From what was tried to what the author should know, and to the verdict."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import msgspec

from grader.audit.mutants import Mutant
from grader.audit.plan import Found, key_of, lost_checks, sound_checks
from grader.audit.trials import Measured, MutantTried, Seen, Tried
from grader.checks.declared import Check
from grader.course.assignment import Assignment
from grader.course.audit import FILE, Statement
from grader.feedback.audit import (
    ENOUGH,
    Audit,
    AuditedCheck,
    AuditedFunction,
    AuditedMutant,
    AuditedTolerance,
    Finding,
)
from grader.report import rounded

SLOW_SECONDS = 1.0
"""A check that takes longer on the reference is named."""
TENTH = 0.1
"""Share of a tolerance that the reference itself may use up."""


def judged(
    assignment: Assignment,
    statement: Statement,
    checks: Sequence[Check],
    found: Found,
    *,
    workers: int,
) -> Audit:
    """Judge the checks of `assignment` by what was `found`."""
    tried = [each for unit in found.units for each in unit.mutants]
    seconds = _seconds(found.reference)
    findings = [
        *_of_reference(found.reference),
        *_of_skeletons(found),
        *_of_broken_checks(tried, found.outputs),
        *_of_functions(found, statement),
        *_of_mutants(found, tried),
        *_of_idle_checks(found, tried, checks),
        *_of_stated_values(assignment, found, tried),
        *_of_tolerances(found.reference, tried),
        *_of_time(seconds),
        *_of_statement(found, statement),
    ]
    findings, unused = _accepted(findings, statement)
    findings += unused
    survivors, equivalents, kinds = _sorted_mutants(found, statement)
    return Audit(
        assignment=assignment.slug,
        title=assignment.title,
        checks=_checks(assignment, checks, found, tried, seconds),
        functions=_functions(found, statement),
        survivors=survivors,
        equivalents=equivalents,
        tolerances=_tolerances(found.reference),
        kinds=kinds,
        misconceptions=[len(assignment.texts.misconceptions), len(_told(found, tried))],
        alternatives=_alternatives(found),
        findings=sorted(findings, key=lambda f: (not f.counts, f.remark)),
        runs=[run.label for run in found.reference],
        seconds=round(found.seconds, 1),
        workers=workers,
    )


# ---------------------------------------------------------------- the reference and the skeleton


def _by_check(runs: Iterable[Tried]) -> dict[str, list[Seen]]:
    seen: dict[str, list[Seen]] = defaultdict(list)
    for run in runs:
        for each in run.seen:
            seen[each.check].append(each)
    return seen


def _of_reference(runs: Sequence[Tried]) -> Iterator[Finding]:
    for check, seen in _by_check(runs).items():
        wrong = [each for each in seen if not each.passed]
        if not wrong:
            continue
        says = f"{wrong[0].item}: {wrong[0].verdict}. {wrong[0].says}"
        if _always(wrong, seen):
            yield Finding(
                kind="impossible",
                about=check,
                says=f"The reference itself does not pass it in any run. {says}",
            )
        else:
            where = ", ".join(
                run.label
                for run in runs
                if any(each.check == check and not each.passed for each in run.seen)
            )
            yield Finding(
                kind="flaky",
                about=check,
                says=f"The reference passes it in {len(seen) - len(wrong)} of {len(seen)} tries "
                f"(not in: {where}). {says}",
            )


def _always(wrong: Sequence[Seen], seen: Sequence[Seen]) -> bool:
    """Whether some item of a check was never passed."""
    passed = {each.item for each in seen if each.passed}
    return any(each.item not in passed for each in wrong)


def _of_skeletons(found: Found) -> Iterator[Finding]:
    runs = found.skeletons
    flaky = {f.about for f in _of_reference(found.reference) if f.kind == "flaky"}
    for check in _by_check(runs):
        gives = [run for run in runs if any(s.check == check and s.passed for s in run.seen)]
        if gives and check not in flaky:
            yield Finding(
                kind="skeleton",
                about=check,
                says=f"The skeleton ({', '.join(run.label for run in gives)}) earns its points "
                "without an answer.",
            )


def _of_broken_checks(tried: Sequence[MutantTried], outputs: Sequence[Tried]) -> Iterator[Finding]:
    broken: dict[str, tuple[str, str]] = {}
    for each in tried:
        for trouble in each.troubles:
            check = trouble.check.split("[")[0]
            where = f"{each.mutant.unit}: {each.mutant.becomes}"
            broken.setdefault(check, (where, trouble.traceback))
    for run in outputs:
        for trouble in run.troubles:
            broken.setdefault(trouble.check.split("[")[0], (run.label, trouble.traceback))
    for check, (where, traceback) in broken.items():
        last = traceback.strip().splitlines()[-1] if traceback.strip() else "no traceback"
        yield Finding(
            kind="breaks",
            about=check,
            says=f"It ends by a fault of its own on a wrong answer ({where}): {last}",
        )


# ---------------------------------------------------------------- mutants


def _of_functions(found: Found, statement: Statement) -> Iterator[Finding]:
    for unit in found.units:
        if not unit.reached and unit.unit not in statement.unchecked:
            yield Finding(
                kind="unchecked",
                about=unit.unit,
                says="No check notices when it has no solution. Check it, or say in "
                f"{FILE} under [unchecked] why none does.",
            )


def _of_mutants(found: Found, tried: Sequence[MutantTried]) -> Iterator[Finding]:
    others = [each for each in tried if key_of(each.mutant) not in found.equivalent]
    killed = sum(each.caught_by is not None for each in others)
    if others and 100 * killed < ENOUGH * len(others):
        yield Finding(
            kind="survivors",
            about=f"{len(others) - killed} of {len(others)} mutants",
            says=f"{100 * killed / len(others):.1f} % of the mutants lose points, and "
            f"{ENOUGH:g} % should: strengthen the checks, or mark as equivalent in {FILE} "
            "what is no mistake.",
        )
    for each in tried:
        if key_of(each.mutant) in found.equivalent and each.caught_by is not None:
            yield Finding(
                kind="not equivalent",
                about=each.mutant.unit,
                says=f"{FILE} calls this equivalent, and {each.caught_by} took points from it: "
                f"{each.mutant.becomes}",
            )


def _of_idle_checks(
    found: Found, tried: Sequence[MutantTried], checks: Sequence[Check]
) -> Iterator[Finding]:
    caught = {each.caught_by for each in (*tried, *found.again)}
    caught |= {check for run in found.outputs for check in lost_checks(run.seen)}
    for check in dict.fromkeys(check.function for check in checks):
        if check not in caught and check in sound_checks(found.reference):
            asked = sum(check in each.asked for each in tried)
            yield Finding(
                kind="never fails",
                about=check,
                says=f"It took points from no mutant ({asked} were put to it) and noticed no "
                "change of a saved output.",
            )


def _sorted_mutants(
    found: Found, statement: Statement
) -> tuple[list[AuditedMutant], list[AuditedMutant], dict[str, list[int]]]:
    survivors, equivalents = [], []
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for unit in found.units:
        for each in unit.mutants:
            place = found.equivalent.get(key_of(each.mutant))
            if place is not None:
                reason = statement.equivalent[place].reason
                equivalents.append(_audited(each.mutant, reason=reason))
                kinds[each.mutant.kind][2] += 1
            elif each.caught_by is None:
                survivors.append(_audited(each.mutant))
                kinds[each.mutant.kind][1] += 1
            else:
                kinds[each.mutant.kind][0] += 1
    return survivors, equivalents, dict(sorted(kinds.items()))


def _audited(mutant: Mutant, reason: str | None = None) -> AuditedMutant:
    return AuditedMutant(
        function=mutant.unit,
        kind=mutant.kind,
        line=mutant.line,
        was=mutant.was,
        becomes=mutant.becomes,
        reason=reason,
    )


def _functions(found: Found, statement: Statement) -> list[AuditedFunction]:
    made = Counter(mutant.unit for mutant in found.mutants)
    rows = []
    for unit in found.units:
        equivalent = sum(key_of(each.mutant) in found.equivalent for each in unit.mutants)
        others = [e for e in unit.mutants if key_of(e.mutant) not in found.equivalent]
        killed = sum(each.caught_by is not None for each in others)
        rows.append(
            AuditedFunction(
                function=unit.unit,
                made=made[unit.unit],
                tried=len(unit.mutants),
                killed=killed,
                survived=len(others) - killed,
                equivalent=equivalent,
                checks=unit.reached,
                unchecked=None if unit.reached else statement.unchecked.get(unit.unit),
            )
        )
    return rows


def _checks(
    assignment: Assignment,
    checks: Sequence[Check],
    found: Found,
    tried: Sequence[MutantTried],
    seconds: dict[str, float],
) -> list[AuditedCheck]:
    asked = Counter(check for each in tried for check in each.asked)
    caught = Counter(each.caught_by for each in (*tried, *found.again))
    survived: Counter[str] = Counter()
    equivalent: Counter[str] = Counter()
    for each in tried:
        if key_of(each.mutant) in found.equivalent:
            equivalent.update(each.asked)
        elif each.caught_by is None:
            survived.update(each.asked)
    outputs = Counter(check for run in found.outputs for check in lost_checks(run.seen))
    rows = {}
    for check in checks:
        if check.function not in rows:
            rows[check.function] = AuditedCheck(
                check=check.function,
                title=assignment.texts.checks[check.function].title,
                place=f"{check.question}/{check.part}",
                points=rounded(
                    sum(
                        (c.weight for c in checks if c.function == check.function),
                        start=check.weight * 0,
                    )
                ),
                hidden=check.hidden,
                asked=asked[check.function],
                caught=caught[check.function],
                survived=survived[check.function],
                equivalent=equivalent[check.function],
                outputs=outputs[check.function],
                seconds=round(seconds.get(check.function, 0.0), 3),
            )
    return list(rows.values())


# ---------------------------------------------------------------- stated values


def _told(found: Found, tried: Sequence[MutantTried]) -> set[str]:
    """The misconceptions that some wrong answer of this audit was told."""
    told = {each.told for run in found.outputs for each in run.seen}
    told |= {name for each in tried for name in each.told}
    told |= {name for unit in found.units for name in unit.told}
    for stated in found.stated:
        if stated.kind == "misconceptions":
            told |= {each.told for each in stated.seen if each.told == stated.name}
    return {name for name in told if name is not None}


def _of_stated_values(
    assignment: Assignment, found: Found, tried: Sequence[MutantTried]
) -> Iterator[Finding]:
    told = _told(found, tried)
    stated = [each for each in found.stated if each.kind == "misconceptions"]
    for each in stated:
        others = [seen for seen in each.seen if not seen.passed]
        if any(seen.told == each.name for seen in others):
            continue
        if not others:
            says = "its value is accepted as right"
        elif (other := others[0].told) is not None:
            says = f'its value is told as "{other}"'
        else:
            says = f"its value is not recognised ({others[0].verdict}: {others[0].says})"
        elsewhere = each.name in told
        yield Finding(
            kind="misconception",
            about=each.name,
            says=f"In {each.check} {says}"
            + ("; another check tells it apart." if elsewhere else ", and no check tells it."),
            remark=elsewhere,
        )
    for each in found.stated:
        refused = [seen for seen in each.seen if not seen.passed]
        if each.kind == "alternatives" and refused:
            yield Finding(
                kind="alternative",
                about=each.name,
                says=f"{each.check} states it as right and does not accept it: {refused[0].says}",
            )
    tried_names = {each.name for each in stated}
    rest = sorted(set(assignment.texts.misconceptions) - told - tried_names)
    if rest:
        yield Finding(
            kind="not tried",
            about=f"{len(rest)} misconceptions",
            says="No wrong answer of this audit leads to them, for they are no values but "
            f"properties: {', '.join(rest)}.",
            remark=True,
        )


def _alternatives(found: Found) -> list[int]:
    stated = [each for each in found.stated if each.kind == "alternatives"]
    names = {each.name for each in stated}
    refused = {each.name for each in stated if any(not seen.passed for seen in each.seen)}
    return [len(names), len(names - refused)]


# ---------------------------------------------------------------- tolerances and time


def _measured(runs: Sequence[Tried]) -> dict[str, list[Measured]]:
    by_check: dict[str, list[Measured]] = defaultdict(list)
    for run in runs:
        for each in run.measured:
            by_check[each.check].append(each)
    return by_check


def _tolerances(runs: Sequence[Tried]) -> list[AuditedTolerance]:
    rows = []
    for check, measured in _measured(runs).items():
        known = [each.float32 for each in measured if each.float32 is not None]
        rows.append(
            AuditedTolerance(
                check=check,
                atol=max(each.atol for each in measured),
                rtol=max(each.rtol for each in measured),
                used=max(each.used for each in measured),
                float32=all(known) if known else None,
            )
        )
    return rows


def _of_tolerances(runs: Sequence[Tried], tried: Sequence[MutantTried]) -> Iterator[Finding]:
    narrow: dict[str, list[str]] = defaultdict(list)
    for each in tried:
        for check in each.narrow:
            narrow[check].append(f"{each.mutant.unit}: {each.mutant.becomes}")
    for check, measured in _measured(runs).items():
        tight = max(measured, key=lambda each: each.used)
        if tight.used > TENTH:
            yield Finding(
                kind="tight tolerance",
                about=check,
                says=f"At a tenth of its tolerance (atol {tight.atol:g}, rtol {tight.rtol:g}) the "
                f"reference would lose points: rounding takes {tight.used:.0%} of it.",
            )
        if any(each.float32 is False for each in measured):
            yield Finding(
                kind="tight tolerance",
                about=check,
                says=f"A right answer in float32 loses points (atol {tight.atol:g}, rtol "
                f"{tight.rtol:g}).",
            )
        if any(each.percent for each in measured):
            loose = next(each for each in measured if each.percent)
            yield Finding(
                kind="loose tolerance",
                about=check,
                says=f"An answer that is 1 % off is accepted (atol {loose.atol:g}, rtol "
                f"{loose.rtol:g}).",
            )
        near = sorted({name for each in measured for name in each.near})
        if near:
            yield Finding(
                kind="loose tolerance",
                about=check,
                says=f"At ten times its tolerance it would accept what it knows as wrong: "
                f"{', '.join(near)}.",
            )
        if narrow[check]:
            yield Finding(
                kind="near miss",
                about=check,
                says=f"At ten times its tolerance it would accept {narrow[check][0]}",
                remark=True,
            )
    slips = [check for check, each in _measured(runs).items() if any(m.float32 for m in each)]
    if slips:
        yield Finding(
            kind="float32",
            about=f"{len(slips)} checks",
            says="The reference answers in float64, and the same rounded to float32 is accepted: "
            f"{', '.join(slips)}. State smaller tolerances where the precision is the question.",
            remark=True,
        )


def _seconds(runs: Sequence[Tried]) -> dict[str, float]:
    """How long each check takes on the reference, all its items together."""
    totals: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        sums: Counter[str] = Counter()
        items = len({each.item for each in run.seen}) or 1
        times = max(1, round(len(run.seen) / items))
        for each in run.seen:
            sums[each.check] += each.seconds / times  # type: ignore[assignment]
        for check, spent in sums.items():
            totals[check].append(spent)
    return {check: median(spent) for check, spent in totals.items()}


def _of_time(seconds: dict[str, float]) -> Iterator[Finding]:
    for check, spent in seconds.items():
        if spent > SLOW_SECONDS:
            yield Finding(
                kind="slow",
                about=check,
                says=f"It takes {spent:.1f} s on the reference.",
                remark=True,
            )


# ---------------------------------------------------------------- what the author stated


def _of_statement(found: Found, statement: Statement) -> Iterator[Finding]:
    for place in found.stale:
        each = statement.equivalent[place]
        yield Finding(
            kind="stale",
            about=f"{FILE}, equivalent[{place}]",
            says=f"No mutant of {each.function} becomes this: {each.becomes}. Remove it, or copy "
            "the lines from the report.",
        )
    reached = {unit.unit: bool(unit.reached) for unit in found.units}
    for function in statement.unchecked:
        if reached.get(function, True):
            what = "a check looks at it" if function in reached else "there is no such function"
            yield Finding(
                kind="stale",
                about=f"{FILE}, unchecked.{function}",
                says=f"{what.capitalize()}: remove this line.",
            )


def _accepted(
    findings: Sequence[Finding], statement: Statement
) -> tuple[list[Finding], list[Finding]]:
    used: set[int] = set()
    kept = []
    for finding in findings:
        for place, each in enumerate(statement.accepted):
            if (each.finding, each.about) == (finding.kind, finding.about):
                used.add(place)
                finding = msgspec.structs.replace(finding, accepted=each.reason)
        kept.append(finding)
    stale = [
        Finding(
            kind="stale",
            about=f"{FILE}, accepted[{place}]",
            says=f'The audit found no "{each.finding}" of {each.about}: remove this.',
        )
        for place, each in enumerate(statement.accepted)
        if place not in used
    ]
    return kept, stale
