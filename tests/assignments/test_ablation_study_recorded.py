"""The recorded experiment of ablation_study: tables, charts and conclusions, right and wrong."""

from __future__ import annotations

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.assignments.outcomes import assert_found, outcome
from tests.desk import Desk, checks

SLUG = "ablation_study"

RECORDED = (
    "test_table_over_components_and_seeds",
    "test_mean_and_spread_agree_with_the_runs",
    "test_bar_chart_of_the_means",
    "test_conclusion_agrees_with_the_table",
)

TABLE = """
| component | seed 0 | seed 1 | seed 2 | mean | std |
|---|---|---|---|---|---|
| stem | 0.60 | 0.70 | 0.80 | 0.700 | 0.100 |
| block | 0.10 | 0.12 | 0.20 | 0.140 | 0.053 |
"""
PANDAS = """<table border="1" class="dataframe"><thead>
<tr><th></th><th>stem</th><th>block</th></tr></thead><tbody>
<tr><th>seed 0</th><td>60.0%</td><td>10.0%</td></tr><tr><th>seed 1</th><td>70.0%</td><td>12.0%</td></tr>
<tr><th>seed 2</th><td>80.0%</td><td>20.0%</td></tr><tr><th>mean</th><td>70.0%</td><td>14.0%</td></tr>
<tr><th>std</th><td>8.2%</td><td>4.3%</td></tr></tbody></table>"""
PERSIAN = """
جزء      دانه ۰   دانه ۱   دانه ۲   میانگین ± انحراف معیار
stem     ۰٫۶۰     ۰٫۷۰     ۰٫۸۰     ۰٫۷۰ ± ۰٫۱۰
block    ۰٫۱۰     ۰٫۱۲     ۰٫۲۰     ۰٫۱۴ ± ۰٫۰۵
"""
LONG = """
component  seed  accuracy drop
stem       0     0.60
stem       1     0.70
stem       2     0.80
block      0     0.10
block      1     0.12
block      2     0.20

component  mean   std
stem       0.700  0.100
block      0.140  0.053
"""
BAR = "plt.bar(components, means, yerr=stds)\nplt.show()"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def experiment(
    text: str,
    chart: str = BAR,
    conclusion: str = "most_important = 'stem'",
    *,
    picture: bool = True,
) -> NotebookNode:
    """A notebook whose recorded cells put out `text` and a picture."""
    run, draw = new_code_cell("run_everything()"), new_code_cell(chart)
    if text.startswith("<table"):
        run.outputs = [new_output("display_data", data={"text/html": text, "text/plain": "..."})]
    elif text:
        run.outputs = [new_output("stream", name="stdout", text=text)]
    if picture:
        draw.outputs = [new_output("display_data", data={"image/png": PIXEL})]
    for cell in (run, draw):
        cell.metadata = {"tags": ["recorded"]}
    return new_notebook(cells=[run, draw, new_code_cell(conclusion)])


@pytest.mark.parametrize(
    "text", [TABLE, PANDAS, PERSIAN, LONG], ids=["bars", "pandas", "persian", "long"]
)
def test_tables_of_any_form_are_read(desk: Desk, text: str) -> None:
    graded = checks(
        desk.notebook(
            experiment(text, "df['mean'].plot(kind='bar')", "important_component = 'Stem '")
        )
    )
    assert_found(graded, dict.fromkeys(RECORDED, "passed"))


WRONG_RUNS = {
    "one seed, a line": (
        experiment(
            "component  seed 0  mean  std\nstem  0.6  0.6  0.0\nblock  0.1  0.1  0.0\n",
            "plt.plot(means)",
            "most_important = 'block'",
        ),
        ("only-one-seed", "no-single-runs", "no-bar-chart", "least-for-most-important"),
    ),
    "seeds that change nothing, stale mean": (
        experiment(
            TABLE.replace("0.60 | 0.70 | 0.80", "0.70 | 0.70 | 0.70").replace(
                "0.10 | 0.12 | 0.20 | 0.140", "0.10 | 0.10 | 0.10 | 0.170"
            ),
            conclusion="most_important = 'head'",
            picture=False,
        ),
        ("all-seeds-alike", "mean-disagrees", "chart-not-saved", "pending"),
    ),
    "variance": (
        experiment(
            TABLE.replace("0.100 |", "0.0100 |").replace("0.053", "0.0028"),
            "plt.title('results')",
            "most_important = 'stem or block'",
            picture=False,
        ),
        ("passed", "variance-for-spread", "no-chart", "pending"),
    ),
    "means alone": (
        experiment("component | mean | std\nstem | 0.7 | 0.1\nblock | 0.14 | 0.05\n"),
        ("no-single-runs", "no-single-runs", "passed", "passed"),
    ),
    "an unreadable table": (
        experiment("stem: 0.7, block: 0.14, that is clear"),
        ("pending", "pending", "passed", "pending"),
    ),
    "words alone": (
        experiment("training finished"),
        ("no-table", "no-table", "passed", "no-table"),
    ),
    "against the table": (
        experiment(
            TABLE.replace("| block |", "| head | 0.0 | 0.0 | 0.01 | 0.003 | 0.006 |\n| block |"),
            conclusion="most_important = 'block'",
        ),
        ("passed", "passed", "passed", "conclusion-against-the-table"),
    ),
}


@pytest.mark.parametrize("name", WRONG_RUNS)
def test_wrong_experiments_are_caught(desk: Desk, name: str) -> None:
    notebook, found = WRONG_RUNS[name]
    assert_found(checks(desk.notebook(notebook)), dict(zip(RECORDED, found, strict=True)))


def test_a_name_within_the_spread_is_accepted_with_a_note(desk: Desk) -> None:
    close = TABLE.replace(
        "0.10 | 0.12 | 0.20 | 0.140 | 0.053", "0.55 | 0.65 | 0.75 | 0.650 | 0.100"
    )
    result = checks(desk.notebook(experiment(close, conclusion="most_important = 'block'")))[
        RECORDED[3]
    ]
    assert result.verdict == "passed"
    assert result.evidence["notes"] == [desk.assignment.texts.notes["within-the-spread"].text]


def test_a_conclusion_that_was_only_printed_is_found(desk: Desk) -> None:
    notebook = experiment(TABLE + "\nMost important component: stem\n", conclusion="means.argmax()")
    assert outcome(checks(desk.notebook(notebook))[RECORDED[3]]) == "passed"
