"""Late policies: what a late hand-in loses.

A policy is data, read from ``[late]`` in course.toml; what it costs is a pure
function of the policy, the points and the times. The grace hours of a course
are shared by all assignments of a student and used up in the order in which
the work was handed in, so that a penalty that students have seen is never
changed by a later hand-in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

import msgspec

from grader.course.rules import between, ruled

Hours = Annotated[Decimal, ruled(between(0, 8760))]
Percent = Annotated[Decimal, ruled(between(0, 100))]
Days = Annotated[int, ruled(between(1, 366))]

_DAY = dt.timedelta(days=1)
_NONE = dt.timedelta(0)


class NoPenalty(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="policy", tag="none"
):
    """Late work counts in full."""

    @property
    def grace(self) -> dt.timedelta:
        """No grace is needed."""
        return _NONE

    def share_lost(self, _late: dt.timedelta) -> Fraction:
        """Return 0, however late."""
        return Fraction(0)


class _Graced(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    grace_hours: Hours = Decimal(0)

    @property
    def grace(self) -> dt.timedelta:
        """Time that a student may be late over the whole term at no cost."""
        return dt.timedelta(microseconds=int(self.grace_hours * 3_600_000_000))


class GraceThenLinear(
    _Graced, frozen=True, kw_only=True, tag_field="policy", tag="grace-then-linear"
):
    """After the grace, `percent_per_day` of the points, in proportion to the time."""

    percent_per_day: Percent

    def share_lost(self, late: dt.timedelta) -> Fraction:
        """Return the share of the points lost by work `late` beyond its grace."""
        return min(Fraction(1), _days(late) * Fraction(self.percent_per_day) / 100)


class PercentPerStartedDay(
    _Graced, frozen=True, kw_only=True, tag_field="policy", tag="percent-per-started-day"
):
    """After the grace, `percent_per_day` for every day begun, and all after `cutoff_days`."""

    percent_per_day: Percent
    cutoff_days: Days | None = None

    def share_lost(self, late: dt.timedelta) -> Fraction:
        """Return the share of the points lost by work `late` beyond its grace."""
        days = _days(late)
        if self.cutoff_days is not None and days > self.cutoff_days:
            return Fraction(1)
        started = -(-days.numerator // days.denominator)
        return min(Fraction(1), started * Fraction(self.percent_per_day) / 100)


class HardDeadline(_Graced, frozen=True, kw_only=True, tag_field="policy", tag="hard-deadline"):
    """Work that is late beyond the grace earns nothing."""

    def share_lost(self, late: dt.timedelta) -> Fraction:
        """Return 1 for any work `late` beyond its grace."""
        return Fraction(1) if late > _NONE else Fraction(0)


LatePolicy = NoPenalty | GraceThenLinear | PercentPerStartedDay | HardDeadline


class Penalty(msgspec.Struct, frozen=True, kw_only=True):
    """What lateness cost: `points` are lost, `grace_used` is taken from the term's grace."""

    points: Decimal
    late: dt.timedelta
    grace_used: dt.timedelta


class HandIn(msgspec.Struct, frozen=True, kw_only=True):
    """One student's hand-in of one assignment, with the `points` it earned."""

    assignment: str
    due: dt.datetime
    received: dt.datetime
    points: Decimal


def lateness(due: dt.datetime, received: dt.datetime) -> dt.timedelta:
    """Return how late a hand-in is, never below 0.

    The minute that the due date names still belongs to the student: work due
    at 23:59 and received at 23:59:40 is on time. Both times carry their zone.
    """
    late = received.astimezone(dt.UTC) - due.astimezone(dt.UTC)
    return _NONE if late < dt.timedelta(minutes=1) else late


def late_penalty(
    policy: LatePolicy, points: Decimal, late: dt.timedelta, grace_left: dt.timedelta = _NONE
) -> Penalty:
    """Return what one hand-in loses.

    Parameters
    ----------
    policy
        Policy of the course.
    points
        Points that the hand-in earned, not below 0.
    late
        As :func:`lateness` gives it.
    grace_left
        What earlier hand-ins left of ``policy.grace``.

    Returns
    -------
    Penalty
        With 0 <= ``points`` <= `points` and ``grace_used`` <= `grace_left`.
        Not rounded: that is done once, when a report is made.
    """
    late = max(late, _NONE)
    used = min(late, max(grace_left, _NONE))
    share = policy.share_lost(late - used)
    lost = points * share.numerator / share.denominator
    return Penalty(points=lost, late=late, grace_used=used)


def late_penalties(policy: LatePolicy, hand_ins: Sequence[HandIn]) -> dict[str, Penalty]:
    """Return the penalty of each hand-in of one student's term, by assignment.

    The grace is used up in the order of `received`, then of `due`.
    """
    left = policy.grace
    penalties: dict[str, Penalty] = {}
    for hand_in in sorted(hand_ins, key=lambda h: (h.received, h.due, h.assignment)):
        late = lateness(hand_in.due, hand_in.received)
        penalty = late_penalty(policy, hand_in.points, late, left)
        left -= penalty.grace_used
        penalties[hand_in.assignment] = penalty
    return {hand_in.assignment: penalties[hand_in.assignment] for hand_in in hand_ins}


def _days(late: dt.timedelta) -> Fraction:
    return Fraction(late // dt.timedelta(microseconds=1), _DAY // dt.timedelta(microseconds=1))
