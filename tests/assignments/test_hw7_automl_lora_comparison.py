"""The honest search and the saved comparison of hw7_automl_lora: who looked where, who claims what."""

from __future__ import annotations

import re

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from grader.report import CheckResult
from tests.desk import Desk, checks

SLUG = "hw7_automl_lora"

# ---- an honest search ----------------------------------------------------------------------------

UNSEEN = "test_search_never_sees_the_test_set"
SPLIT = "test_search_learns_on_training_and_scores_on_validation"
LAST = "test_last_test_takes_the_chosen_configuration_to_the_test_set"

GIVEN = """
import torch
from torch import nn

def train_network(config, x, y, epochs, seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(x.shape[1], config["hidden"]), nn.ReLU(), nn.Linear(config["hidden"], 10))
    optimiser = torch.optim.Adam(model.parameters(), config["learning_rate"])
    for _ in range(4 * epochs):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    return model.eval()

def accuracy(model, x, y):
    return (model(x).argmax(1) == y).float().mean().item()
"""
OBJECTIVE = """
def validation_objective(data, epochs):
    def objective(config):
        model = train_network(config, data.train_x, data.train_y, epochs)
        return accuracy(model, data.validation_x, data.validation_y)
    return objective
"""
FINAL = """
def final_test(trials, data, epochs):
    config, _ = max(trials, key=lambda trial: trial[1])
    model = train_network(config, data.train_x, data.train_y, epochs)
    return config, accuracy(model, data.test_x, data.test_y)
"""
BOTH = (
    "data.train_x, data.train_y",
    "torch.cat([data.train_x, data.{0}_x]), torch.cat([data.train_y, data.{0}_y])",
)
SCORED = ("data.validation_x, data.validation_y)", "data.{0}_x, data.{0}_y)")


@pytest.mark.parametrize(
    ("old", "new", "check", "misconception"),
    [
        (SCORED[0], SCORED[1].format("test"), UNSEEN, "test-set-seen"),
        (BOTH[0], BOTH[1].format("test"), UNSEEN, "test-set-seen"),
        (SCORED[0], SCORED[1].format("train"), SPLIT, "not-scored-on-validation"),
        (BOTH[0], BOTH[1].format("validation"), SPLIT, "learns-from-validation"),
        ("return accuracy", "return -accuracy", UNSEEN, "objective-is-a-loss"),
        ("epochs)\n        return", "0)\n        return", UNSEEN, "objective-does-not-learn"),
    ],
)
def test_who_looked_at_the_wrong_part_is_told(
    desk: Desk, old: str, new: str, check: str, misconception: str
) -> None:
    assert old in OBJECTIVE
    results = desk.cells(GIVEN, OBJECTIVE.replace(old, new), FINAL)
    assert results[check].misconception == misconception
    assert results[check].points < results[check].max_points
    assert results[LAST].verdict == "passed"


@pytest.mark.parametrize(
    ("old", "new", "misconception"),
    [
        ("max(trials", "min(trials", "choice-is-not-the-best-trial"),
        ("return config, ", "return ", "test-without-its-pair"),
        ("data.test_x, data.test_y", "data.validation_x, data.validation_y", "last-test-not-on-the-test-set"),
        ("epochs)\n    return", "0)\n    return", "objective-does-not-learn"),
    ],
)  # fmt: skip
def test_what_is_no_last_test_is_told(desk: Desk, old: str, new: str, misconception: str) -> None:
    assert old in FINAL
    results = desk.cells(GIVEN, OBJECTIVE, FINAL.replace(old, new))
    assert results[LAST].misconception == misconception
    assert results[UNSEEN].verdict == results[SPLIT].verdict == "passed"


def test_an_honest_search_may_use_another_network_and_percentages(desk: Desk) -> None:
    results = desk.cells(
        """
import torch
baseline = {"n_neighbours": 3}

def vote(config, x, y, queries):
    near = torch.cdist(queries, x).topk(config["n_neighbours"], largest=False).indices
    return y[near].mode(dim=1).values

def make_objective(data, epochs):
    train_x, train_y, val_x, val_y, _, _ = data
    def objective(config):
        return 100 * (vote(config, train_x, train_y, val_x) == val_y).double().mean()
    return objective

def final_test(trials, data, epochs):
    best = sorted(trials, key=lambda trial: trial[1])[-1][0]
    right = vote(best, data.train_x, data.train_y, data.test_x) == data.test_y
    return {"best": best, "accuracy": right.double().mean()}
"""
    )
    for name in (UNSEEN, SPLIT):
        assert results[name].verdict == "passed", results[name].message
        assert results[name].found_by == "alias:make_objective"
    # Its configurations have no "hidden" to vary; the chosen one is told apart all the same.
    assert results[LAST].verdict == "passed", results[LAST].message


# ---- the saved comparison ------------------------------------------------------------------------

TABLE = "test_table_compares_all_searches"
EQUAL = "test_searches_had_equal_budgets"
CLAIM = "test_claimed_best_is_best_in_the_table"
FIGURE = "test_claimed_accuracy_is_in_the_table"
PICTURE = "test_picture_of_progress"

SAVED = """| method | evaluations | validation accuracy | test accuracy |
|---|---|---|---|
| baseline | 1 | 0.7657 | 0.9210 |
| grid | 24 | 0.9471 | 0.9335 |
| random | 24 | 0.9457 | 0.9322 |
| bayesian | 24 | 0.9529 | 0.9624 |
| halving | 40 | 0.9414 | 0.9699 |
"""
CLAIMS = "best_method = 'bayesian'; best_accuracy = 0.953"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def saved(
    desk: Desk, text: str, claims: str = CLAIMS, *, html: str = "", picture: bool = True
) -> dict[str, CheckResult]:
    """Grade a notebook whose recorded cell saved `text`, perhaps with a table and a picture."""
    outputs = [new_output("stream", text=text)] if text else []
    if html:
        outputs.append(new_output("execute_result", data={"text/html": html, "text/plain": "..."}))
    if picture:
        data = {"image/png": PIXEL, "text/plain": "<Figure>"}
        outputs.append(new_output("display_data", data=data))
    recorded = new_code_cell("plot(results)", outputs=outputs, metadata={"tags": ["recorded"]})
    return checks(desk.notebook(new_notebook(cells=[recorded, new_code_cell(claims)])))


@pytest.mark.parametrize(
    ("old", "new", "check", "misconception"),
    [
        (SAVED, "done", TABLE, "comparison-missing"),
        (r"\| (baseline|grid|halving).*\n", "", TABLE, "comparison-of-too-few"),
        (r"\| halving.*\n", "", TABLE, "comparison-lacks-a-method"),
        (r"evaluations", "seconds", EQUAL, "budget-not-shown"),
        (r"random \| 24", "random | 12", EQUAL, "budgets-differ"),
        (r"grid \| 24", "grid | 6", EQUAL, "grid-had-a-smaller-budget"),
        (r"0\.9471", "0.9611", CLAIM, "claim-contradicts-table"),
    ],
)
def test_tables_that_do_not_compare_are_told(
    desk: Desk, old: str, new: str, check: str, misconception: str
) -> None:
    text = new if old == SAVED else re.sub(old, new, SAVED)
    assert text != SAVED
    result = saved(desk, text)[check]
    assert result.misconception == misconception
    assert result.points < result.max_points


@pytest.mark.parametrize(
    ("claims", "check", "misconception"),
    [
        ("best_method = 'halving'", CLAIM, "claimed-by-the-test-score"),
        ("best_method = 'random'", CLAIM, "claim-contradicts-table"),
        (
            "best_method = 'bayesian'; best_accuracy = 0.9624",
            FIGURE,
            "test-accuracy-for-validation",
        ),
        ("best_accuracy = '99%'", FIGURE, "accuracy-contradicts-table"),
    ],
)
def test_claims_that_contradict_the_table_are_shown_beside_it(
    desk: Desk, claims: str, check: str, misconception: str
) -> None:
    result = saved(desk, SAVED, claims)[check]
    assert result.misconception == misconception
    (claim,) = result.evidence["claims"]
    assert not claim["agrees"]
    assert "bayesian | 24 | 0.9529" in result.evidence["answered"]["text"]


def test_without_a_picture_progress_cannot_be_seen(desk: Desk) -> None:
    result = saved(desk, SAVED, picture=False)[PICTURE]
    assert result.misconception == "progress-without-picture"


def test_stripped_outputs_are_missing_not_wrong(desk: Desk) -> None:
    results = saved(desk, "", picture=False)
    assert {results[name].verdict for name in (TABLE, EQUAL, CLAIM, FIGURE, PICTURE)} == {"missing"}


def test_results_that_are_no_table_go_to_a_person(desk: Desk) -> None:
    text = "grid search reached 0.947, random search 0.95\nbayesian: 0.953\nrandom: 0.9457\nbaseline 0.76"
    assert saved(desk, text)[TABLE].verdict == "pending"


def test_a_pandas_table_in_persian_with_percentages_is_read(desk: Desk) -> None:
    rows = (
        ("شبکهٔ پایه", "۱", "۷۶٫۶"),
        ("Grid Search", "24", "94.7"),
        ("جستجوی تصادفی", "24", "95.3"),
        ("Optuna (TPE)", "24", "95.3"),
        ("Hyperband", "40", "94.1"),
    )
    cells = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    header = "<tr><th>روش</th><th>تعداد ارزیابی</th><th>دقت اعتبارسنجی</th></tr>"
    html = f"<table><thead>{header}</thead><tbody>{cells}</tbody></table>"
    claims = "best_method = 'جستجوی تصادفی، چون بیشترین دقت را دارد'; best_accuracy = '۹۵٫۳٪'"
    results = saved(desk, "", claims, html=html)
    for name in (TABLE, EQUAL, CLAIM, FIGURE, PICTURE):
        assert results[name].verdict == "passed", (name, results[name].message)


def test_a_printed_claim_counts_where_none_is_typed(desk: Desk) -> None:
    results = saved(desk, f"{SAVED}\nThe best one: Bayesian search.\n", "done = True")
    assert results[CLAIM].verdict == "passed"
    assert results[FIGURE].verdict == "missing"
