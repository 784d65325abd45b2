"""Late policies: what they take, that they stay in bounds, and how grace is shared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.course.policy import (
    GraceThenLinear,
    HandIn,
    HardDeadline,
    NoPenalty,
    PercentPerStartedDay,
    late_penalties,
    late_penalty,
    lateness,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DUE = datetime(2024, 12, 31, 20, 29, tzinfo=UTC)
TERM = GraceThenLinear(grace_hours=Decimal(72), percent_per_day=Decimal(50))

percents = st.decimals(min_value=0, max_value=100, places=2)
hours = st.decimals(min_value=0, max_value=200, places=2)
policies = st.one_of(
    st.builds(NoPenalty),
    st.builds(GraceThenLinear, grace_hours=hours, percent_per_day=percents),
    st.builds(
        PercentPerStartedDay,
        grace_hours=hours,
        percent_per_day=percents,
        cutoff_days=st.none() | st.integers(1, 30),
    ),
    st.builds(HardDeadline, grace_hours=hours),
)
earned = st.decimals(min_value=0, max_value=1000, places=3)
durations = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=60))


def lost(policy, late, grace=timedelta(0), points="100"):
    return late_penalty(policy, Decimal(points), late, grace).points


def test_no_policy_takes_nothing():
    assert lost(NoPenalty(), 400 * DAY) == 0


@pytest.mark.parametrize(
    ("late", "expected"),
    [(0 * HOUR, "0"), (HOUR, "2.083333333333333333333333333"), (12 * HOUR, "25"), (DAY, "50"),
     (2 * DAY, "100"), (9 * DAY, "100")],
)  # fmt: skip
def test_a_linear_penalty_grows_in_proportion_up_to_all_points(late, expected):
    assert lost(TERM, late) == Decimal(expected)


def test_grace_is_used_before_points_are_lost():
    penalty = late_penalty(TERM, Decimal(80), 4 * DAY, 72 * HOUR)
    assert (penalty.points, penalty.grace_used, penalty.late) == (40, 72 * HOUR, 4 * DAY)


@pytest.mark.parametrize(
    ("late", "expected"),
    [(timedelta(0), 0), (HOUR, 10), (DAY, 10), (DAY + HOUR, 20), (3 * DAY, 30), (3 * DAY + HOUR, 100)],
)  # fmt: skip
def test_a_started_day_counts_whole_and_nothing_counts_after_the_cutoff(late, expected):
    policy = PercentPerStartedDay(percent_per_day=Decimal(10), cutoff_days=3)
    assert lost(policy, late) == expected


def test_a_hard_deadline_takes_all_but_within_its_grace():
    policy = HardDeadline(grace_hours=Decimal(1))
    assert lost(policy, 30 * timedelta(minutes=1), policy.grace) == 0
    assert lost(policy, HOUR + timedelta(minutes=1), policy.grace) == 100


def test_the_due_minute_belongs_to_the_student():
    assert lateness(DUE, DUE + timedelta(seconds=59)) == timedelta(0)
    assert lateness(DUE, DUE + timedelta(seconds=60)) == timedelta(seconds=60)
    assert lateness(DUE, DUE - DAY) == timedelta(0)


def test_lateness_compares_moments_not_clocks():
    received = datetime(2025, 1, 1, 0, 59, tzinfo=timezone(timedelta(hours=3, minutes=30)))
    assert lateness(DUE, received) == HOUR


def hand_in(name, due_day, late, points=100):
    due = DUE + due_day * DAY
    return HandIn(assignment=name, due=due, received=due + late, points=Decimal(points))


def test_grace_is_shared_over_the_term():
    penalties = late_penalties(
        TERM, [hand_in("hw1", 0, 2 * DAY), hand_in("hw2", 20, DAY), hand_in("hw3", 40, DAY)]
    )
    assert [p.grace_used for p in penalties.values()] == [2 * DAY, DAY, 0 * DAY]
    assert [p.points for p in penalties.values()] == [0, 0, 50]


def test_a_very_late_hand_in_does_not_change_what_was_decided_before():
    second = hand_in("hw2", 20, 3 * DAY)
    alone = late_penalties(TERM, [second])
    both = late_penalties(TERM, [hand_in("hw1", 0, 30 * DAY), second])
    assert list(both) == ["hw1", "hw2"]
    assert both["hw2"] == alone["hw2"]
    assert both["hw1"].grace_used == timedelta(0)


@given(policies, earned, durations, durations)
def test_a_penalty_lies_between_nothing_and_all(policy, points, late, grace):
    penalty = late_penalty(policy, points, late, grace)
    assert 0 <= penalty.points <= points
    assert timedelta(0) <= penalty.grace_used <= min(late, grace)


@given(policies, earned, durations, durations, durations)
def test_later_work_never_loses_less(policy, points, late, more, grace):
    first = late_penalty(policy, points, late, grace)
    second = late_penalty(policy, points, late + more, grace)
    assert first.points <= second.points


@given(policies, earned, durations, durations, durations)
def test_more_grace_never_costs_more(policy, points, late, grace, more):
    less = late_penalty(policy, points, late, grace + more)
    assert less.points <= late_penalty(policy, points, late, grace).points


@given(policies, earned, earned, durations)
def test_more_points_never_end_as_fewer(policy, points, more, late):
    low = points - late_penalty(policy, points, late).points
    high = points + more - late_penalty(policy, points + more, late).points
    assert low <= high + Decimal("1e-20")


@given(policies, st.lists(st.tuples(st.integers(0, 60), durations), max_size=6))
def test_the_grace_of_a_term_is_never_exceeded(policy, term):
    hand_ins = [hand_in(f"hw{i}", day, late) for i, (day, late) in enumerate(term)]
    penalties = late_penalties(policy, hand_ins)
    assert sum((p.grace_used for p in penalties.values()), timedelta(0)) <= policy.grace
    assert penalties == late_penalties(policy, hand_ins[::-1])
    assert list(penalties) == [h.assignment for h in hand_ins]
