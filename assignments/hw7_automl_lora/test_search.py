"""Practice a to d: four searches, judged by which configurations they ask for.

The objective is the grader's: it is computed here, where it remembers what it was asked for, and
nothing in the student's process knows where its peak is. What the search returns matters only
where the question asks for it.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

pytestmark = pytest.mark.question("search")

# Reads a call in the student's process: a configuration may be any mapping there, or a list.
OBJECTIVE = """
def objective(names, ask):
    def objective(config=None, *more, **named):
        if config is None:
            config = {}
        elif not hasattr(config, "keys"):
            config = dict(zip(names, config))
        config = {**config, **{name: named[name] for name in named if name in names}}
        more = [*more, *(value for name, value in named.items() if name not in names)]
        return ask([config.get(name) for name in names], float(more[0]) if more else 0.0)

    return objective
"""

SPACE = {"depth": [1, 2, 3], "width": [8, 16, 32, 64], "rate": [0.1, 0.01]}
FIVE = {f"x{i}": [1, 2, 4, 8] for i in range(5)}


@dataclass(frozen=True)
class Call:
    """One call of the objective: positions in the lists of the space, budget (or 0) and score."""

    places: tuple[int, ...]
    budget: float
    score: float


class Objective:
    """A cheap objective with a peak of its own."""

    def __init__(self, student, space, rng, sign=1.0):
        n = len(space)
        self.space, self.sign = space, sign
        self.weights = rng.uniform(0.5, 1.5, n)
        self.centre, self.early = rng.uniform(0.1, 0.9, n), rng.uniform(0, 1, n)
        self.calls: list[Call] = []
        ask = student.callback(self.asked, "objective")
        self.handle = student.make(OBJECTIVE, "objective", list(space), ask)

    def asked(self, config: list, budget: float) -> float:
        """Return the score of one configuration, which student code asks for."""
        pairs = zip(self.space.values(), config, strict=True)
        places = tuple(position(values, value) for values, value in pairs)
        score = float(self.scores([places], budget)[0])
        self.calls.append(Call(places, budget, score))
        return score

    def scores(self, places, budget=0.0):
        """Return the scores of an array (n, d) of positions."""
        at = np.array(places) / [max(len(values) - 1, 1) for values in self.space.values()]
        score = self.sign * -((at - self.centre) ** 2 @ self.weights)
        return score - (at - self.early) ** 2 @ self.weights / budget if budget else score

    def all_scores(self):
        return self.scores(list(itertools.product(*(range(len(v)) for v in self.space.values()))))


def position(values, value) -> int:
    """Return where `value` stands among `values`, -1 for nowhere."""
    number = isinstance(value, (int, float)) or (isinstance(value, np.ndarray) and value.ndim == 0)
    return next((i for i, v in enumerate(values) if v == value), -1) if number else -1


def searched(student, search, objective, *arguments):
    """Run one of the student's searches; return what it returned and the calls that it made."""
    known = len(objective.calls)
    answer = student.function(search)(objective.handle, objective.space, *arguments)
    return answer, objective.calls[known:]


def expect_inside(expect, calls):
    """Expect calls at all, and every value of them from the list of its hyperparameter."""
    expect.satisfies(bool(calls), "objective-not-called")
    expect.satisfies(all(min(call.places) >= 0 for call in calls), "outside-the-space")


def show(expect, what, answered, expected):
    """Put a count of calls beside what it should be."""
    expect.evidence(
        answered={"text": f"{what}: {answered}"}, expected={"text": f"{what}: {expected}"}
    )


# ---- grid ----------------------------------------------------------------------------------------


def judge_grid(student, expect, space, rng):
    _, calls = searched(student, "grid_search", Objective(student, space, rng))
    expect_inside(expect, calls)
    asked = Counter(call.places for call in calls)
    sizes = [len(values) for values in space.values()]
    every = set(itertools.product(*map(range, sizes)))
    if not student.record.hidden:
        show(expect, "calls of objective", len(calls), len(every))
    if set(asked) != every:
        zipped = len(asked) > 1 and all(len({*places}) == 1 for places in asked)
        expect.satisfies(not zipped, "grid-pairs-positions")
        usual = tuple(Counter(column).most_common(1)[0][0] for column in zip(*asked, strict=True))
        others = [sum(i != j for i, j in zip(places, usual, strict=True)) for places in asked]
        one_at_a_time = max(others) == 1 and len(asked) > max(sizes)
        expect.satisfies(not one_at_a_time, "grid-one-at-a-time")
        expect.misconception("grid-misses-combinations")
    expect.satisfies(len(calls) == len(every), "grid-repeats-combinations")


@pytest.mark.part("grid", points=2)
def test_grid_search_tries_every_combination_once(student, expect, rng):
    judge_grid(student, expect, SPACE, rng)


@pytest.mark.part("grid", points=2)
@pytest.mark.hidden
@pytest.mark.parametrize(
    "sizes", [(5,), (2, 1, 3, 1), (2, 2, 2, 3)], ids=lambda sizes: "x".join(map(str, sizes))
)
def test_grid_search_on_other_spaces(student, expect, rng, sizes):
    space = {f"p{i}": [10 * (i + 1) + v for v in range(n)] for i, n in enumerate(sizes)}
    judge_grid(student, expect, space, rng)


@pytest.mark.part("grid", points=1)
def test_best_trial_has_the_highest_score(student, expect):
    best = student.function("best_trial")
    for scores in ((0.2, 0.9, 0.5), (-3.0, -0.5, -2.0, -7.0), (0.1, -4.0, 0.3, 0.2)):
        trials = [({"width": 8 * (i + 1)}, score) for i, score in enumerate(scores)]
        config, score = parts_of(best(trials).value)
        of_config = next((s for c, s in trials if c == config), None)
        chosen = score if of_config is None else of_config
        expect.satisfies(chosen is not None, "best-unreadable")
        expect.satisfies(chosen != min(scores), "best-is-lowest")
        expect.satisfies(chosen == max(scores), "best-is-not-highest")
        expect.satisfies(of_config == score, "best-without-its-pair")


# ---- reading what a search returned --------------------------------------------------------------


def is_number(value) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def parts_of(trial):
    """Return configuration and score of one trial, None for what it does not hold."""
    if isinstance(trial, Mapping):
        nested = [value for value in trial.values() if isinstance(value, Mapping)]
        if nested:
            trial = [nested[0], *(v for v in trial.values() if not isinstance(v, Mapping))]
        else:
            scores = [k for k in trial if str(k).lower() in ("score", "value", "accuracy", "acc")]
            config = {k: v for k, v in trial.items() if k not in scores}
            trial = [config, *(trial[k] for k in scores)]
    if is_number(trial):
        return None, float(trial)
    if not isinstance(trial, Sequence) or isinstance(trial, str):
        return None, None
    configs = [each for each in trial if isinstance(each, Mapping)]
    numbers = [each for each in trial if is_number(each)]
    return configs[0] if configs else None, float(numbers[-1]) if numbers else None


def returned_trials(value, space):
    """Return (positions, score) of the trials that a search returned, None if it returned others."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    found = []
    for config, score in map(parts_of, value):
        if config is None or score is None:
            return None
        if any(config.get(name) not in values for name, values in space.items()):
            return None
        places = tuple(values.index(config[name]) for name, values in space.items())
        found.append((places, score))
    return found


# ---- random --------------------------------------------------------------------------------------


@pytest.mark.part("random", points=1)
def test_random_search_keeps_to_space_and_budget(student, expect, rng):
    for n in (7, 20):
        _, calls = searched(student, "random_search", Objective(student, SPACE, rng), n, 11)
        expect_inside(expect, calls)
        show(expect, "calls of objective", len(calls), n)
        expect.satisfies(len(calls) <= n, "budget-overrun")
        expect.satisfies(len(calls) == n, "budget-not-used")


@pytest.mark.part("random", points=2)
@pytest.mark.hidden
def test_random_search_draws_each_value_independently(student, expect, rng):
    space = {"a": [1, 2, 3, 4], "b": [10, 20, 30, 40], "c": [v / 8 for v in range(12)]}
    seed = int(rng.integers(99))
    _, calls = searched(student, "random_search", Objective(student, space, rng), 120, seed)
    expect_inside(expect, calls)
    asked = [call.places for call in calls]
    drawn = [len(set(column)) for column in zip(*asked, strict=True)]
    pairs = len({places[:2] for places in asked})
    expect.satisfies(max(drawn) > 1, "random-draws-once")
    # Of the 16 pairs, 120 draws miss one with a chance of 0.7 %, and more than three never.
    expect.satisfies(pairs > max(drawn[:2]), "random-one-draw-for-all")
    expect.satisfies(drawn == [4, 4, 12], "random-value-never-drawn")
    expect.satisfies(pairs >= 13, "random-draws-depend")


@pytest.mark.part("random", points=1)
def test_random_search_depends_on_its_seed(student, expect, rng):
    objective = Objective(student, SPACE, rng)
    first, again, other, third = (
        searched(student, "random_search", objective, 15, seed)[1] for seed in (5, 5, 6, 7)
    )
    expect_inside(expect, first)
    expect.satisfies(first == again, "seed-ignored")
    expect.satisfies(first != other or first != third, "seed-fixed")


@pytest.mark.part("random", points=1)
def test_random_search_returns_what_it_measured(student, expect, rng):
    answer, calls = searched(student, "random_search", Objective(student, SPACE, rng), 10, 3)
    expect.satisfies(bool(calls), "objective-not-called")
    trials = returned_trials(answer.value, SPACE)
    if trials is None:
        _, score = parts_of(answer.value)
        best = max(call.score for call in calls)
        expect.satisfies(score is None or not np.isclose(score, best), "only-the-best-returned")
        expect.misconception("trials-unreadable")
    found, measured = sorted(trials), sorted((call.places, call.score) for call in calls)
    same = [places for places, _ in found] == [places for places, _ in measured]
    expect.satisfies(same, "trials-are-not-what-was-measured")
    scores, true_scores = (np.array([score for _, score in each]) for each in (found, measured))
    expect.satisfies(not np.allclose(scores, -true_scores), "scores-negated")
    expect.satisfies(np.allclose(scores, true_scores), "trials-are-not-what-was-measured")


# ---- Bayesian ------------------------------------------------------------------------------------

BUDGET = 40
BETTER = 0.0125  # share of the space above the best trial; random search leaves 0.024 on average
LEARNT = 0.42  # share of the space above a late trial; random search leaves 0.5 on average


def share_above(objective, scores) -> float:
    """Return the share of all configurations that are better than these, on average."""
    every = objective.all_scores()
    return float(np.mean([(every > score + 1e-12).mean() for score in scores]))


@pytest.mark.part("bayesian", points=1)
def test_bayesian_search_keeps_to_space_budget_and_seed(student, expect, rng):
    objective = Objective(student, SPACE, rng)
    _, calls = searched(student, "bayesian_search", objective, 12, 4)
    expect_inside(expect, calls)
    show(expect, "calls of objective", len(calls), 12)
    expect.satisfies(len(calls) <= 12, "budget-overrun")
    expect.satisfies(len(calls) == 12, "budget-not-used")
    _, again = searched(student, "bayesian_search", objective, 12, 4)
    expect.satisfies(calls == again, "seed-ignored")


def opposite_searches(student, expect, rng, budget):
    """Search a function and its negative with one seed; return both objectives with their calls."""
    state = rng.bit_generator.state
    found = []
    for sign in (1.0, -1.0):
        rng.bit_generator.state = state
        objective = Objective(student, FIVE, rng, sign)
        _, calls = searched(student, "bayesian_search", objective, budget, 2)
        expect_inside(expect, calls)
        found.append((objective, calls))
    first, second = ([call.places for call in calls] for _, calls in found)
    expect.satisfies(first != second, "bayesian-is-random")
    return found


@pytest.mark.part("bayesian", points=2)
def test_bayesian_search_learns_from_scores(student, expect, rng):
    shares = [
        share_above(objective, [call.score for call in calls[len(calls) // 2 :]])
        for objective, calls in opposite_searches(student, expect, rng, BUDGET)
    ]
    expect.satisfies(min(shares) < 1 - LEARNT, "bayesian-minimises")
    expect.satisfies(max(shares) < LEARNT, "bayesian-does-not-learn")


@pytest.mark.part("bayesian", points=3)
@pytest.mark.hidden
def test_bayesian_search_beats_random_search(student, expect, rng):
    def beats(seed):
        shares = []
        for run in range(2):
            objective = Objective(student, FIVE, rng)
            _, calls = searched(student, "bayesian_search", objective, BUDGET, 10 * seed + run)
            expect_inside(expect, calls)
            shares.append(share_above(objective, [max(c.score for c in calls[:BUDGET])]))
        return np.mean(shares) <= BETTER

    opposite_searches(student, expect, rng, BUDGET // 2)  # random search may be lucky
    expect.over_seeds(beats, "bayesian-no-better-than-random")


# ---- successive halving --------------------------------------------------------------------------


def rungs_of(calls):
    """Return budget and calls of each rung, from the first to the last."""
    rungs: dict[float, list[Call]] = {}
    for call in calls:
        rungs.setdefault(call.budget, []).append(call)
    return list(rungs.items())


def expected_rungs(n, min_budget, eta):
    rungs = [(min_budget, n)]
    while n > 1:
        n, min_budget = max(1, n // eta), min_budget * eta
        rungs.append((min_budget, n))
    return rungs


def judge_rungs(expect, calls, n, min_budget, eta):
    expect_inside(expect, calls)
    rungs = [(budget, len(rung)) for budget, rung in rungs_of(calls)]
    expected = expected_rungs(n, min_budget, eta)
    show(expect, "(budget, calls)", rungs, expected)
    if rungs == expected:
        return
    if rungs == expected[:-1]:
        expect.note("winner-not-measured-again")
        return
    expect.satisfies(any(budget for budget, _ in rungs), "halving-without-budget")
    expect.satisfies(len(rungs) > 1 or rungs[0][1] <= n, "halving-constant-budget")
    counts = [count for _, count in rungs]
    expect.satisfies(len(counts) == 1 or len(set(counts)) > 1, "halving-keeps-all")
    expect.satisfies(counts != [count for _, count in expected], "halving-other-budgets")
    expect.misconception("halving-other-rungs")


def judge_survivors(expect, calls):
    rungs = [rung for _, rung in rungs_of(calls)]
    first = {call.places: call.score for call in rungs[0]}
    for before, after in itertools.pairwise(rungs):
        scores = {call.places: call.score for call in before}
        kept = [call.places for call in after]
        expect.satisfies(all(places in scores for places in kept), "halving-draws-anew")
        ranked = sorted((call.score for call in before), reverse=True)
        found = sorted((scores[places] for places in kept), reverse=True)
        if np.allclose(found, ranked[: len(kept)]):
            continue
        expect.satisfies(not np.allclose(found, ranked[-len(kept) :]), "halving-keeps-the-worst")
        old = sorted((call.places for call in before), key=first.__getitem__, reverse=True)
        expect.satisfies(sorted(kept) != sorted(old[: len(kept)]), "halving-by-old-scores")
        heads = [call.places for call in before[: len(kept)]]
        expect.satisfies(sorted(kept) != sorted(heads), "halving-keeps-the-first")
        expect.misconception("halving-keeps-others")


@pytest.mark.part("halving", points=2)
def test_rungs_of_successive_halving(student, expect, rng):
    for n, min_budget, eta in ((9, 1, 3), (8, 2, 2)):
        objective = Objective(student, FIVE, rng)
        _, calls = searched(student, "successive_halving", objective, n, 1, min_budget, eta)
        judge_rungs(expect, calls, n, min_budget, eta)


@pytest.mark.part("halving", points=2)
@pytest.mark.hidden
def test_survivors_of_successive_halving(student, expect, rng):
    for n, eta, seed in ((27, 3, 3), (16, 2, 4)):
        objective = Objective(student, FIVE, rng)
        _, calls = searched(student, "successive_halving", objective, n, seed, 1, eta)
        expect_inside(expect, calls)
        expect.satisfies(len(rungs_of(calls)) > 1, "halving-without-rungs")
        judge_survivors(expect, calls)
