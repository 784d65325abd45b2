"""What a check says of right, wrong, missing and unusual answers, on the warm-up course."""

from __future__ import annotations

import pytest

from tests.desk import Desk

VALUES = "total = row_sums(M)\nscaled = scale(total, 2.0)"


def test_the_reference_gets_everything_but_what_a_person_marks(warmup: Desk) -> None:
    report = warmup.reference()
    assert (report.score.points, report.score.pending, report.score.bonus) == (11.0, 2.0, 1.0)
    assert {p.verdict for q in report.questions for p in q.parts} == {"passed", "pending"}


@pytest.mark.parametrize("language", ["fa", "en"])
def test_the_skeleton_gets_nothing_and_every_check_is_missing(warmup: Desk, language: str) -> None:
    report = warmup.skeleton(language)
    assert report.score.points == report.score.bonus == 0
    verdicts = {c.verdict for q in report.questions for p in q.parts for c in p.checks}
    assert verdicts == {"missing"}


def test_an_alias_is_accepted_and_said(warmup: Desk) -> None:
    result = warmup.solution(values="the_sum = row_sums(M)\ntotal = None")["test_row_sums"]
    assert result.verdict == "passed"
    assert result.found_by == "alias:the_sum"
    assert "the_sum" in result.message["en"]


def test_an_answer_under_another_name_is_found_by_its_value(warmup: Desk) -> None:
    result = warmup.solution(values="my_rows = [7.875, 18.3125, 8.125]")["test_row_sums"]
    assert result.verdict == "passed"
    assert result.found_by == "value:my_rows"


def test_an_answer_that_was_only_printed_is_found_in_the_output(warmup: Desk) -> None:
    result = warmup.solution(values="print(row_sums(M))\ntotal = None")["test_row_sums"]
    assert result.verdict == "passed"
    assert result.found_by == f"output:{result.cell}"


def test_a_wrong_value_shows_where_it_differs(warmup: Desk) -> None:
    result = warmup.solution(values="total = [7.875, 18.8125, 8.125]")["test_row_sums"]
    assert result.verdict == "failed"
    difference = result.evidence["difference"]
    assert difference["first"] == {"index": [1], "answered": 18.8125, "expected": 18.3125}
    assert (difference["wrong"], difference["total"], difference["max_abs"]) == (1, 3, 0.5)
    assert result.hint["en"] == "Look at the axis of the sum."
    assert result.cell is not None


def test_a_known_misconception_is_named_and_gets_its_credit(warmup: Desk) -> None:
    result = warmup.solution(values="total = M.sum(axis=0)")["test_row_sums"]
    assert (result.verdict, result.misconception, result.points) == ("partial", "columns", 2.0)
    assert "You summed the columns" in result.message["en"]
    assert "جمع ستون‌ها" in result.message["fa"]


def test_an_accepted_variant_passes_with_its_note(warmup: Desk) -> None:
    result = warmup.solution(values="total = row_sums(M) / M.sum()")["test_row_sums"]
    assert result.verdict == "passed"
    assert result.evidence["notes"] == [
        {"fa": "جمع نرمال‌شده هم پذیرفته است.", "en": "Normalised sums are accepted too."}
    ]


def test_a_later_step_is_judged_on_the_students_own_earlier_step(warmup: Desk) -> None:
    checks = warmup.solution(values="total = row_sums(M) + 1\nscaled = scale(total, 2.0)")
    assert checks["test_row_sums"].verdict == "failed"
    later = checks["test_scaled"]
    assert (later.verdict, later.points) == ("passed", 1.0)
    assert later.evidence["follow_through"] is True


def test_a_hidden_check_shows_neither_inputs_nor_expected_values(warmup: Desk) -> None:
    checks = warmup.solution(
        numbers="def row_sums(M):\n    return M.sum(axis=1)\ndef scale(v, factor):\n    return v + factor"
    )
    result = checks["test_scale_function"]
    assert result.verdict == "failed"
    assert result.hidden
    assert not {"expected", "inputs"} & result.evidence.keys()
    assert not {"first", "worst", "heatmap"} & result.evidence["difference"].keys()
    assert result.evidence["asked"] == "scale(<array 4>, …)"


def test_a_function_under_another_name_is_found_by_what_it_does(warmup: Desk) -> None:
    checks = warmup.solution(
        numbers="def row_sums(M):\n    return M.sum(axis=1)\ndef vergroessere(v, f):\n    return v * f",
        values="total = row_sums(M)\nscaled = vergroessere(total, 2.0)",
    )
    result = checks["test_scale_function"]
    assert result.verdict == "passed"
    assert result.found_by == "call:vergroessere"


def test_an_exception_in_a_function_names_cell_and_line(warmup: Desk) -> None:
    checks = warmup.solution(
        network=(
            "class Net(nn.Module):\n    def __init__(self, hidden=4):\n"
            "        super().__init__()\n        self.first = nn.Linear(3, hiden)\n"
        )
    )
    result = checks["test_network"]
    assert result.verdict == "failed"
    assert result.evidence["exception"]["type"] == "NameError"
    frame = result.evidence["exception"]["frames"][-1]
    assert (frame["line"], frame["function"]) == (4, "__init__")
    assert frame["source"].strip() == "self.first = nn.Linear(3, hiden)"
    assert result.cell == frame["cell"]


def test_a_network_with_other_names_and_order_equals_the_reference(warmup: Desk) -> None:
    checks = warmup.solution(
        network=(
            "class Net(nn.Module):\n    def __init__(self, hidden):\n        super().__init__()\n"
            "        self.zweite = nn.Linear(hidden, 1)\n        self.erste = nn.Linear(3, hidden)\n"
            "        self.akt = nn.ReLU()\n"
            "    def forward(self, x):\n        return self.zweite(self.akt(self.erste(x)))\n"
        ),
        training="",
    )
    assert checks["test_network"].verdict == "passed"


def test_a_network_that_lacks_its_activation_is_caught(warmup: Desk) -> None:
    checks = warmup.solution(
        network=(
            "class Net(nn.Module):\n    def __init__(self, hidden):\n        super().__init__()\n"
            "        self.a = nn.Linear(3, hidden)\n        self.b = nn.Linear(hidden, 1)\n"
            "    def forward(self, x):\n        return self.b(self.a(x))\n"
        )
    )
    assert checks["test_network"].verdict == "failed"


def test_a_call_that_hangs_costs_its_own_check_only(warmup: Desk) -> None:
    checks = warmup.solution(
        numbers=(
            "def row_sums(M):\n    return M.sum(axis=1)\n"
            "def scale(v, factor):\n    while len(v) == 4:\n        pass\n    return factor * v"
        )
    )
    assert checks["test_scale_function"].verdict == "failed"
    assert checks["test_scale_function"].evidence["kind"] == "timeout"
    others = {name: c.verdict for name, c in checks.items() if name != "test_scale_function"}
    assert {others[name] for name in ("test_row_sums", "test_scaled", "test_network")} == {"passed"}


def test_a_choice_is_read_in_other_spellings(warmup: Desk) -> None:
    assert warmup.solution(choice="activation = ' ReLU '")["test_choice"].verdict == "passed"


def test_a_hedged_choice_is_not_guessed(warmup: Desk) -> None:
    result = warmup.solution(choice="activation = 'relu, or perhaps none'")["test_choice"]
    assert result.verdict == "missing"


def test_what_only_the_environment_lacks_goes_to_a_person(warmup: Desk) -> None:
    checks = warmup.solution(
        values="from google.colab import drive\ndrive.mount('/content/drive')\n" + VALUES
    )
    result = checks["test_row_sums"]
    assert result.verdict == "pending"
    assert "google.colab" in result.message["en"]


def test_a_misspelt_import_is_the_students_own_mistake(warmup: Desk) -> None:
    checks = warmup.solution(values="import nunpy\n" + VALUES)
    assert checks["test_row_sums"].verdict == "missing"


def test_hidden_inputs_differ_between_students_and_not_between_runs(warmup: Desk) -> None:
    peek = "def scale(v, factor):\n    print(v)\n    return v * factor + v.sum() * 1e-3"

    def answered(student: str) -> str:
        checks = warmup.solution_for(student, numbers=peek)
        return str(checks["test_scale_function"].evidence["answered"]["text"])

    assert answered("11111111") == answered("11111111")
    assert answered("11111111") != answered("22222222")
