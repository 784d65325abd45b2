"""Searches of hw7_automl_lora that go wrong in known ways, and unusual ones that are right."""

from __future__ import annotations

from textwrap import indent

import pytest

from tests.desk import Desk

SLUG = "hw7_automl_lora"

IMPORTS = "import itertools, random\nimport numpy as np\n"


def function(header: str, body: str) -> str:
    return f"{IMPORTS}\ndef {header}:\n{indent(body.strip(), '    ')}"


# ---- grid ----------------------------------------------------------------------------------------

EVERY = "test_grid_search_tries_every_combination_once"
OTHERS = [f"test_grid_search_on_other_spaces[{sizes}]" for sizes in ("5", "2x1x3x1", "2x2x2x3")]
CONFIGS = "configs = [dict(zip(space, v)) for v in itertools.product(*space.values())]\n"

GRIDS = {
    "grid-pairs-positions": """
n = min(map(len, space.values()))
configs = [{name: values[i] for name, values in space.items()} for i in range(n)]
return [(c, objective(c)) for c in configs]
""",
    "grid-one-at-a-time": """
first = {name: values[0] for name, values in space.items()}
configs = [first] + [{**first, name: v} for name in space for v in space[name][1:]]
return [(c, objective(c)) for c in configs]
""",
    "grid-misses-combinations": CONFIGS + "return [(c, objective(c)) for c in configs[:-1]]",
    "grid-repeats-combinations": CONFIGS
    + "best = max(configs, key=objective)\nreturn [(c, objective(c)) for c in configs]",
    "objective-not-called": CONFIGS + "return [(c, 0.0) for c in configs]",
    "outside-the-space": """
places = itertools.product(*(range(len(values)) for values in space.values()))
return [(p, objective(dict(zip(space, p)))) for p in places]
""",
}


@pytest.mark.parametrize("slip", GRIDS)
def test_grids_that_are_none_are_told_by_name(desk: Desk, slip: str) -> None:
    results = desk.cells(function("grid_search(objective, space)", GRIDS[slip]))
    for name in (EVERY, OTHERS[2]):
        assert results[name].misconception == slip
        assert results[name].points < results[name].max_points


def test_a_grid_of_three_loops_works_in_no_other_space(desk: Desk) -> None:
    body = """
a, b, c = space
configs = [{a: x, b: y, c: z} for x in space[a] for y in space[b] for z in space[c]]
return [(config, objective(config)) for config in configs]
"""
    results = desk.cells(function("grid_search(objective, space)", body))
    assert results[EVERY].verdict == "passed"
    assert {results[name].verdict for name in OTHERS} == {"failed"}


def test_a_grid_may_be_walked_in_any_order_with_keywords(desk: Desk) -> None:
    results = desk.cells(
        """
def run_grid_search(f, space, fixed=None):
    fixed = fixed or {}
    names = [name for name in reversed(list(space)) if name not in fixed]
    if not names:
        return {str(fixed): f(**fixed)}
    found = {}
    for value in space[names[0]]:
        found.update(run_grid_search(f, space, {**fixed, names[0]: value}))
    return found
"""
    )
    for name in (EVERY, *OTHERS):
        assert results[name].verdict == "passed"
        assert results[name].found_by == "alias:run_grid_search"


BEST = "test_best_trial_has_the_highest_score"


@pytest.mark.parametrize(
    ("body", "misconception"),
    [
        ("return min(trials, key=lambda t: t[1])", "best-is-lowest"),
        ("return max(trials, key=lambda t: abs(t[1]))", "best-is-lowest"),
        ("return trials[-1]", "best-is-not-highest"),
        ("return max(trials, key=lambda t: t[1])[0]", "best-without-its-pair"),
        ("return max(t[1] for t in trials)", "best-without-its-pair"),
        ("return 'the second'", "best-unreadable"),
    ],
)
def test_other_trials_than_the_best_are_told_by_name(
    desk: Desk, body: str, misconception: str
) -> None:
    result = desk.cells(function("best_trial(trials)", body))[BEST]
    assert result.misconception == misconception
    assert (result.verdict == "partial") == (misconception == "best-without-its-pair")


def test_the_best_trial_may_come_back_as_a_record(desk: Desk) -> None:
    body = "config, score = sorted(trials, key=lambda t: -t[1])[0]\n"
    body += "return {'params': config, 'value': np.float64(score)}"
    assert desk.cells(function("get_best(trials)", body))[BEST].verdict == "passed"


# ---- random --------------------------------------------------------------------------------------

BUDGET = "test_random_search_keeps_to_space_and_budget"
DRAWS = "test_random_search_draws_each_value_independently"
SEED = "test_random_search_depends_on_its_seed"
RETURNS = "test_random_search_returns_what_it_measured"

DRAWN = "{name: values[rng.integers(len(values))] for name, values in space.items()}"
RANDOM = f"""
rng = np.random.default_rng(seed)
trials = []
for _ in range(n_trials):
    config = {DRAWN}
    trials.append((config, objective(config)))
return trials
"""


def random_search(*changes: str) -> str:
    """Return the right search with pieces replaced: old, new, old, new, ..."""
    body = RANDOM
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in body
        body = body.replace(old, new)
    return function("random_search(objective, space, n_trials, seed)", body)


RANDOMS = {
    "budget-overrun": (BUDGET, random_search("return", "objective(config)\nreturn")),
    "budget-not-used": (BUDGET, random_search("range(n_trials)", "range(n_trials // 2)")),
    "outside-the-space": (
        BUDGET,
        random_search(DRAWN, "{k: rng.uniform(min(v), max(v)) for k, v in space.items()}"),
    ),
    "random-draws-once": (
        DRAWS,
        random_search("    config", "    rng = np.random.default_rng(seed)\n    config"),
    ),
    "random-one-draw-for-all": (
        DRAWS,
        random_search(
            "    config", "    u = rng.random()\n    config", "rng.integers(len(values))", "int(u * len(values))"
        ),
    ),
    "random-value-never-drawn": (
        DRAWS,
        random_search("integers(len(values))", "integers(max(1, len(values) - 1))"),
    ),
    "random-draws-depend": (
        DRAWS,  # the second value is the first or its neighbour
        random_search(
            "    trials.append",
            "    a, b, *_ = [list(v) for v in space.values()]\n"
            "    config[list(space)[1]] = b[(a.index(config[list(space)[0]]) + rng.integers(2)) % len(b)]\n"
            "    trials.append",
        ),
    ),
    "seed-ignored": (
        SEED,
        random_search("values[rng.integers(len(values))]", "random.choice(values)"),
    ),
    "seed-fixed": (SEED, random_search("default_rng(seed)", "default_rng(42)")),
    "objective-not-called": (SEED, random_search("objective(config)", "0.5")),
    "only-the-best-returned": (
        RETURNS,
        random_search("return trials", "return max(trials, key=lambda t: t[1])"),
    ),
    "trials-unreadable": (RETURNS, random_search("return trials", "return len(trials)")),
    "trials-are-not-what-was-measured": (
        RETURNS,
        random_search(f"config = {DRAWN}", f"config.update({DRAWN})", "trials = []", "trials, config = [], {}"),
    ),
    "scores-negated": (
        RETURNS,
        random_search("return trials", "return [(config, -score) for config, score in trials]"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("slip", RANDOMS)
def test_random_searches_that_go_wrong_are_told_by_name(desk: Desk, slip: str) -> None:
    check, source = RANDOMS[slip]
    result = desk.cells(source)[check]
    assert result.misconception == slip
    assert result.points < result.max_points


@pytest.mark.parametrize(
    "body",
    {
        "without replacement": CONFIGS
        + "picked = random.Random(seed).sample(configs, n_trials)\n"
        + "return [{'config': c, 'accuracy': objective(c)} for c in picked]",
        "global generator, flat records": """
np.random.seed(seed)
records = []
for _ in range(n_trials):
    config = {name: np.random.choice(values).item() for name, values in space.items()}
    records.append({**config, 'score': objective(**config)})
return records
""",
        "torch, scores first": """
import torch
generator = torch.Generator().manual_seed(seed)
pick = lambda values: values[torch.randint(len(values), (1,), generator=generator)]
configs = [{name: pick(values) for name, values in space.items()} for _ in range(n_trials)]
return [(objective(config), config) for config in configs]
""",
    }.items(),
    ids=lambda each: each[0],
)
def test_random_search_may_be_written_in_other_ways(desk: Desk, body: tuple[str, str]) -> None:
    source = function("random_search(objective, space, n_trials, seed)", body[1])
    results = desk.cells(source)
    for name in (BUDGET, DRAWS, SEED, RETURNS):
        assert results[name].verdict == "passed", (name, results[name].message)


# ---- Bayesian ------------------------------------------------------------------------------------

KEEPS = "test_bayesian_search_keeps_to_space_budget_and_seed"
LEARNS = "test_bayesian_search_learns_from_scores"
BEATS = "test_bayesian_search_beats_random_search"

CLIMB = f"""
rng = np.random.default_rng(seed)
trials = []
for i in range(n_trials):
    config = {DRAWN}
    if i >= 6:
        name = list(space)[rng.integers(len(space))]
        config = {{**max(trials, key=lambda t: t[1])[0], name: config[name]}}
    trials.append((config, objective(config)))
return trials
"""
BAYESIANS = {
    "bayesian-is-random": (LEARNS, "i >= 6", "False"),
    "bayesian-minimises": (LEARNS, "max(", "min("),
    "bayesian-does-not-learn": (LEARNS, "i >= 6", "i >= 38"),
    "bayesian-no-better-than-random": (BEATS, "max(", "min("),
    "budget-overrun": (KEEPS, "range(n_trials)", "range(n_trials + 5)"),
    "budget-not-used": (KEEPS, "range(n_trials)", "range(n_trials - 2)"),
    "seed-ignored": (KEEPS, "default_rng(seed)", "default_rng()"),
    "outside-the-space": (KEEPS, "name: config[name]}", "name: 0.5}"),
}


def bayesian(body: str) -> str:
    return function("bayesian_search(objective, space, n_trials, seed)", body)


@pytest.mark.parametrize("slip", BAYESIANS)
def test_bayesian_searches_that_go_wrong_are_told_by_name(desk: Desk, slip: str) -> None:
    check, old, new = BAYESIANS[slip]
    results = desk.cells(bayesian(CLIMB.replace(old, new)))
    assert results[check].misconception == slip
    assert results[check].points < results[check].max_points
    if slip == "bayesian-is-random":
        assert (results[BEATS].verdict, results[BEATS].misconception) == ("failed", slip)


SURFACE = """
# A quadratic response surface, fitted by least squares: no Gaussian process, but it learns.
names = list(space)
configs = [dict(zip(names, v)) for v in itertools.product(*space.values())]
at = np.array([[space[n].index(c[n]) / max(1, len(space[n]) - 1) for n in names] for c in configs])
features = np.hstack([np.ones((len(at), 1)), at, at**2])
order = list(np.random.default_rng(seed).permutation(len(configs)))
tried, scores = [], []
while len(tried) < n_trials:
    if len(tried) < 12:
        chosen = order[len(tried)]
    else:
        fit = np.linalg.lstsq(features[tried], np.array(scores), rcond=None)[0]
        guess = features @ fit
        guess[tried] = -np.inf
        chosen = int(guess.argmax())
    tried.append(chosen)
    scores.append(objective(configs[chosen]))
return [(configs[i], s) for i, s in zip(tried, scores)]
"""


def test_another_surrogate_than_a_gaussian_process_is_accepted(desk: Desk) -> None:
    results = desk.cells(bayesian(SURFACE))
    for name in (KEEPS, LEARNS, BEATS):
        assert results[name].verdict == "passed", (name, results[name].message)


# ---- successive halving --------------------------------------------------------------------------

RUNGS = "test_rungs_of_successive_halving"
SURVIVORS = "test_survivors_of_successive_halving"

HALVING = f"""
rng = np.random.default_rng(seed)
configs = [{DRAWN} for _ in range(n_configs)]
budget, trials = min_budget, []
while True:
    rung = [(config, budget, objective(config, budget)) for config in configs]
    trials += rung
    if len(rung) == 1:
        return trials
    rung.sort(key=lambda trial: -trial[2])
    configs = [config for config, _, _ in rung[:max(1, len(rung) // eta)]]
    budget *= eta
"""


def halving(*changes: str) -> str:
    body = HALVING
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in body
        body = body.replace(old, new)
    return function(
        "successive_halving(objective, space, n_configs, seed, min_budget=1, eta=3)", body
    )


HALVINGS = {
    "halving-keeps-the-worst": (SURVIVORS, halving("-trial[2]", "trial[2]")),
    "halving-keeps-the-first": (SURVIVORS, halving("-trial[2]", "0")),
    "halving-keeps-others": (SURVIVORS, halving("-trial[2]", "str(trial[0])")),
    "halving-by-old-scores": (
        SURVIVORS,
        halving(
            "-trial[2]",
            "-first[str(trial[0])]",
            "    trials += rung",
            "    trials += rung\n    if len(trials) == n_configs: first = {str(t[0]): t[2] for t in rung}",
        ),
    ),
    "halving-draws-anew": (SURVIVORS, halving("[config for", f"[{DRAWN} for")),
    "halving-without-rungs": (SURVIVORS, halving("len(rung) == 1", "True")),
    "halving-constant-budget": (RUNGS, halving("budget *= eta", "pass")),
    "halving-other-budgets": (RUNGS, halving("budget *= eta", "budget += eta + 4")),
    "halving-other-rungs": (RUNGS, halving("len(rung) // eta", "len(rung) - 2")),
    "halving-keeps-all": (
        RUNGS,
        halving("max(1, len(rung) // eta)", "len(rung)", "len(rung) == 1", "budget > 8"),
    ),
    "halving-without-budget": (RUNGS, halving("objective(config, budget)", "objective(config)")),
}


@pytest.mark.parametrize("slip", HALVINGS)
def test_halvings_that_go_wrong_are_told_by_name(desk: Desk, slip: str) -> None:
    check, source = HALVINGS[slip]
    result = desk.cells(source)[check]
    assert result.misconception == slip
    assert result.points < result.max_points


def test_halving_may_stop_with_a_note_before_its_winner_is_measured_again(desk: Desk) -> None:
    results = desk.cells(halving("len(rung) == 1", "len(rung) // eta <= 1"))
    assert results[RUNGS].verdict == results[SURVIVORS].verdict == "passed"
    assert "winner" in results[RUNGS].evidence["notes"][0]["en"]


def test_halving_may_name_its_budget_and_keep_its_best_in_a_heap(desk: Desk) -> None:
    results = desk.cells(
        """
import heapq, random
def hyperband(f, space, n_configs, seed, min_budget=1, eta=3):
    rng = random.Random(seed)
    alive = [{k: rng.choice(v) for k, v in space.items()} for _ in range(n_configs)]
    history, epochs = [], min_budget
    while alive:
        scores = [f(config=c, epochs=epochs) for c in alive]
        history.extend(zip(alive, [epochs] * len(alive), scores))
        keep = max(1, len(alive) // eta) if len(alive) > 1 else 0
        best = heapq.nlargest(keep, range(len(alive)), key=scores.__getitem__)
        alive, epochs = [alive[i] for i in best], epochs * eta
    return history
"""
    )
    assert results[RUNGS].verdict == results[SURVIVORS].verdict == "passed"
    assert results[RUNGS].found_by == "alias:hyperband"


# Looks for the peak in whatever hangs together with the objective, and climbs by what it finds.
SPY = f"""
import gc
seen, todo, centre = set(), [objective], None
while todo and len(seen) < 3000:
    thing = todo.pop(0)
    if id(thing) in seen or type(thing).__name__ in ("module", "type"):
        continue
    seen.add(id(thing))
    if isinstance(thing, list) and len(thing) == len(space) and all(type(x) is float for x in thing):
        centre = thing
    if hasattr(thing, "centre"):
        centre = thing.centre if thing.sign > 0 else [float(c < 0.5) for c in thing.centre]
        break
    todo += gc.get_referents(thing)
names = list(space)
near = {{n: space[n][round((len(space[n]) - 1) * c)] for n, c in zip(names, centre or [])}}
rng = np.random.default_rng(seed)
trials = []
for i in range(n_trials):
    config = {DRAWN}
    if near and i > 2:
        config = {{**near, names[i % len(names)]: config[names[i % len(names)]]}}
    trials.append((config, objective(config)))
return trials
"""


def test_the_peak_cannot_be_read_off_the_objective(desk: Desk) -> None:
    results = desk.cells(bayesian(SPY))
    assert results[KEEPS].verdict == "passed"
    assert results[LEARNS].misconception == results[BEATS].misconception == "bayesian-is-random"
