"""What an audit of an assignment's checks found."""

from __future__ import annotations

import msgspec

from grader.report import Text

ENOUGH = 95.0
"""Percent of the mutants that are no equivalents that the checks must catch."""


class AuditedCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One check: mutants that it was asked about, and what became of them.

    It was the first to take points from `caught` of them; `survived` kept all points and
    `equivalent` are no mistake; from the others another check took points. `outputs` counts the changes of saved outputs that it noticed, `seconds` is how long it takes on
    the reference.
    """

    check: str
    title: Text
    place: str
    points: float
    hidden: bool
    asked: int
    caught: int
    survived: int
    equivalent: int
    outputs: int
    seconds: float


class AuditedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """One function of the reference, or the top level of one cell.

    `made` counts the mutants that there could be, `tried` those that were drawn of them. `checks`
    notice when it has no solution; where none does, `unchecked` is the author's reason, if any.
    """

    function: str
    made: int
    tried: int
    killed: int
    survived: int
    equivalent: int
    checks: list[str]
    unchecked: str | None = None


class AuditedMutant(msgspec.Struct, frozen=True, kw_only=True):
    """A mutant: killed by `check`, or surviving, or equivalent for a `reason`."""

    function: str
    kind: str
    line: int
    was: str
    becomes: str
    check: str | None = None
    reason: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the author should know. `accepted` is the author's reason to live with it.

    A remark does not decide the verdict.
    """

    kind: str
    about: str
    says: str
    remark: bool = False
    accepted: str | None = None

    @property
    def counts(self) -> bool:
        """Whether the audit does not pass for it."""
        return not self.remark and self.accepted is None


class AuditedTolerance(msgspec.Struct, frozen=True, kw_only=True):
    """The tolerance of a check, and how the reference's own answers stand in it.

    `used` is the largest share of the tolerance that the reference itself needs.
    """

    check: str
    atol: float
    rtol: float
    used: float
    float32: bool | None


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit of one assignment found."""

    assignment: str
    title: Text
    checks: list[AuditedCheck]
    functions: list[AuditedFunction]
    survivors: list[AuditedMutant]
    equivalents: list[AuditedMutant]
    tolerances: list[AuditedTolerance]
    kinds: dict[str, list[int]]
    """Mutants killed, surviving and equivalent, by kind."""
    misconceptions: list[int]
    """How many are stated, and how many of them were seen to be told with their own text."""
    alternatives: list[int]
    """How many are stated, and how many of them were accepted in place of the answer."""
    findings: list[Finding]
    runs: list[str]
    seconds: float
    workers: int

    @property
    def tried(self) -> int:
        """Mutants that were tried and are no equivalents."""
        return sum(killed + survived for killed, survived, _ in self.kinds.values())

    @property
    def killed(self) -> int:
        """Mutants that lost points."""
        return sum(killed for killed, _, _ in self.kinds.values())

    @property
    def percent(self) -> float:
        """Share of the mutants that are no equivalents that lost points."""
        return 100.0 * self.killed / self.tried if self.tried else 100.0

    @property
    def passed(self) -> bool:
        """The verdict."""
        return not any(finding.counts for finding in self.findings)
