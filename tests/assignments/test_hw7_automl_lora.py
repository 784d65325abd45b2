"""Theory of hw7_automl_lora: wrong answers that its checks name, unusual right ones that they accept.

One hand-in holds one wrong answer to many questions, each of which must be told by itself.
"""

from __future__ import annotations

import pytest

from grader.report import CheckResult
from tests.desk import Desk

SLUG = "hw7_automl_lora"


def ends(results: dict[str, CheckResult], *names: str) -> dict[str, str]:
    return {name: results[name].verdict for name in names}


# ---- wrong answers -------------------------------------------------------------------------------

SLIPS = {
    "a factor is forgotten": (
        """
policy_space = "1760^5"
def count_policies(o, m, p, k, s): return (o * m * p) ** s
def scaled_reward(accuracy, flops, target, w): return accuracy * (target / flops) ** w
speed_up = 0.03
rank_W = 5
parameters_before, parameters_after = 10, 15
def saves_parameters(m, n, r): return r * (m + n) <= m * n
per_matrix = 16384
base_parameters = 75_497_472
full_stored = 100_663_296
times_fewer = 1 / 32
def lora_parameter_count(d_in, d_out, r, n_matrices, n_blocks): return n_blocks * n_matrices * r * d_in
def lora_forward(x, W0, A, B, scale): return x @ W0.T + x @ A.T @ B.T
def merge(W0, A, B, scale): return scale * B @ A
def unmerge(W, A, B, scale): return W + scale * B @ A
def multiplications_per_token(d_in, d_out, r, merged): return d_in * d_out + r * (d_in + d_out)
""",
        {
            "test_number_of_policies": "second-operation-forgotten",
            "test_number_of_policies_of_other_spaces": "second-operation-forgotten",
            "test_reward_that_heeds_cost": "ratio-upside-down",
            "test_speed_up_on_imagenet": "speed-up-inverted",
            "test_rank_of_the_matrix": "rank-is-the-size",
            "test_numbers_kept_for_the_matrix": "sides-added",
            "test_numbers_kept_for_the_factors": "one-factor-kept",
            "test_when_a_factorisation_pays": "level-counts-as-saving",
            "test_lora_parameters_of_one_matrix": "d-times-r",
            "test_parameters_of_the_base": "output-matrix-forgotten",
            "test_parameters_stored_by_full_fine_tuning": "one-copy-for-two-tasks",
            "test_how_many_times_fewer_parameters_are_trained": "times-upside-down",
            "test_lora_parameters_of_other_models": "only-a-counted",
            "test_forward_pass_without_merging": "scale-left-out",
            "test_merged_weight_gives_the_same_output": "base-left-out",
            "test_unmerging_restores_the_base": "merged-twice",
            "test_multiplications_of_one_input": "merged-layer-still-pays",
        },
    ),
    "one of several": (
        """
policy_space = 1760**2
def count_policies(o, m, p, k, s): return (o * m * p) ** k
def scaled_reward(accuracy, flops, target, w): return accuracy + (flops / target) ** w
speed_up = 14550
rank_W = "۴"
parameters_before, parameters_after = 5, 5
def saves_parameters(m, n, r): return r < min(m, n)
per_matrix = "1,048,576"
lora_trainable = "2,359,296"
base_parameters = "4,194,304"
lora_stored = "۲۰۷٬۶۱۸٬۰۴۸"
full_trainable = 201_326_592
times_fewer = 1.88
def lora_parameter_count(d_in, d_out, r, n_matrices, n_blocks): return n_blocks * n_matrices * r * d_out
def lora_forward(x, W0, A, B, scale): return scale * (x @ A.T) @ B.T
def merge(W0, A, B, scale): return W0 + B @ A
def unmerge(W, A, B, scale): return W
def multiplications_per_token(d_in, d_out, r, merged): return d_in * d_out
""",
        {
            "test_number_of_policies": "space-of-one-subpolicy",
            "test_number_of_policies_of_other_spaces": "space-of-one-subpolicy",
            "test_reward_that_heeds_cost": "reward-added",
            "test_speed_up_on_imagenet": "speed-up-as-difference",
            "test_rank_of_the_matrix": "rank-counts-dependent-rows",
            "test_numbers_kept_for_the_matrix": "sides-not-multiplied",
            "test_numbers_kept_for_the_factors": "change-instead-of-count",
            "test_when_a_factorisation_pays": "low-rank-always-pays",
            "test_lora_parameters_of_one_matrix": "full-matrix-counted",
            "test_lora_parameters_of_one_task": "output-matrix-forgotten",
            "test_parameters_of_the_base": "blocks-forgotten",
            "test_parameters_stored_for_two_tasks_with_lora": "base-stored-per-task",
            "test_parameters_trained_by_full_fine_tuning": "both-tasks-together",
            "test_how_many_times_fewer_parameters_are_trained": "ratio-of-storage",
            "test_lora_parameters_of_other_models": "only-b-counted",
            "test_forward_pass_without_merging": "base-left-out",
            "test_merged_weight_gives_the_same_output": "scale-left-out",
            "test_unmerging_restores_the_base": "nothing-unmerged",
            "test_multiplications_of_one_input": "unmerged-as-merged",
        },
    ),
    "something counted too often": (
        """
policy_space = "1760^7"
def count_policies(o, m, p, k, s): return (o * m * p) ** (k + s)
def scaled_reward(accuracy, flops, target, w): return accuracy * (flops / target) * w
speed_up = "97%"
parameters_after = 50
def saves_parameters(m, n, r): return not r * (m + n) < m * n
per_matrix = 131072
lora_trainable = 50_331_648
base_parameters = "340M"
lora_stored = 103_809_024
full_trainable = "131,383,296"
full_stored = 301_989_888
times_fewer = 3.125
def lora_parameter_count(d_in, d_out, r, n_matrices, n_blocks): return n_blocks * n_matrices * 2 * r * d_in
def lora_forward(x, W0, A, B, scale): return scale * (x @ W0.T + x @ A.T @ B.T)
def merge(W0, A, B, scale): return scale * (W0 + B @ A)
def unmerge(W, A, B, scale): return scale * B @ A
def multiplications_per_token(d_in, d_out, r, merged):
    return d_in * d_out if merged else 2 * d_in * d_out + d_in * d_out * r
""",
        {
            "test_number_of_policies": "exponents-added",
            "test_number_of_policies_of_other_spaces": "exponents-added",
            "test_reward_that_heeds_cost": "exponent-multiplied",
            "test_speed_up_on_imagenet": "speed-up-as-percentage",
            "test_numbers_kept_for_the_factors": "inner-size-of-the-matrix",
            "test_when_a_factorisation_pays": "inequality-reversed",
            "test_lora_parameters_of_one_matrix": "four-matrices-for-one",
            "test_lora_parameters_of_one_task": "heads-counted-again",
            "test_parameters_of_the_base": "whole-model-counted",
            "test_parameters_trained_by_full_fine_tuning": "embeddings-counted",
            "test_parameters_stored_by_full_fine_tuning": "base-and-two-copies",
            "test_how_many_times_fewer_parameters_are_trained": "percentage-for-times",
            "test_lora_parameters_of_other_models": "matrix-taken-as-square",
            "test_forward_pass_without_merging": "scale-on-everything",
            "test_merged_weight_gives_the_same_output": "scale-on-everything",
            "test_unmerging_restores_the_base": "adapter-returned",
            "test_multiplications_of_one_input": "product-formed-and-applied",
        },
    ),
    "another thing counted": (
        """
policy_space = "۳۷^۱۰"
def count_policies(o, m, p, k, s): return (o + m + p) ** (k * s)
def scaled_reward(accuracy, flops, target, w): return accuracy * (flops / target) ** -0.07
speed_up = 97
parameters_after = 9
def saves_parameters(m, n, r): return r < n
per_matrix = 2048
lora_trainable = 131072
base_parameters = 131_383_296
lora_stored = 262_144
full_trainable = 4_194_304
times_fewer = 96.875
def lora_parameter_count(d_in, d_out, r, n_matrices, n_blocks): return n_matrices * r * (d_in + d_out)
def lora_forward(x, W0, A, B, scale): return x @ W0.T
def merge(W0, A, B, scale): return W0 - scale * B @ A
def unmerge(W, A, B, scale): return W - B @ A
def multiplications_per_token(d_in, d_out, r, merged):
    return d_in * d_out if merged else d_in * d_out + d_in * d_out * r
""",
        {
            "test_number_of_policies": "choices-added",
            "test_number_of_policies_of_other_spaces": "choices-added",
            "test_reward_that_heeds_cost": "exponent-ignored",
            "test_speed_up_on_imagenet": "speed-up-as-percentage",
            "test_numbers_kept_for_the_factors": "only-the-rank-squared",
            "test_when_a_factorisation_pays": "one-factor-kept",
            "test_lora_parameters_of_one_matrix": "adapter-per-head",
            "test_lora_parameters_of_one_task": "blocks-forgotten",
            "test_parameters_of_the_base": "embeddings-counted",
            "test_parameters_stored_for_two_tasks_with_lora": "base-not-stored",
            "test_parameters_trained_by_full_fine_tuning": "blocks-forgotten",
            "test_how_many_times_fewer_parameters_are_trained": "percentage-saved",
            "test_lora_parameters_of_other_models": "blocks-forgotten",
            "test_forward_pass_without_merging": "adapter-left-out",
            "test_merged_weight_gives_the_same_output": "adapter-subtracted",
            "test_unmerging_restores_the_base": "scale-left-out",
            "test_multiplications_of_one_input": "product-formed",
        },
    ),
    "a dimension mistaken": (
        """
policy_space = 160**10
def count_policies(o, m, p, k, s): return (o * m) ** (k * s)
def scaled_reward(accuracy, flops, target, w): return (accuracy * flops / target) ** w
def saves_parameters(m, n, r): return "بله"
lora_trainable = 786_432
base_parameters = 50_331_648
lora_stored = 100_663_296 + 786_432
full_trainable = "335 million"
times_fewer = 64
def lora_parameter_count(d_in, d_out, r, n_matrices, n_blocks): return n_blocks * r * (d_in + d_out)
def lora_forward(x, W0, A, B, scale): return x @ W0.T + scale**2 * x @ A.T @ B.T
def merge(W0, A, B, scale): return (W0 + scale * B @ A).T
def unmerge(W, A, B, scale): return W - scale * A @ B
def multiplications_per_token(d_in, d_out, r, merged): return d_in * d_out if merged else r * (d_in + d_out)
""",
        {
            "test_number_of_policies": "probability-forgotten",
            "test_number_of_policies_of_other_spaces": "probability-forgotten",
            "test_reward_that_heeds_cost": "accuracy-to-the-power",
            "test_when_a_factorisation_pays": "not-true-or-false",
            "test_lora_parameters_of_one_task": "matrices-forgotten",
            "test_parameters_of_the_base": "base-of-two-matrices",
            "test_parameters_trained_by_full_fine_tuning": "whole-model-counted",
            "test_how_many_times_fewer_parameters_are_trained": "d-times-r",
            "test_lora_parameters_of_other_models": "matrices-forgotten",
            "test_forward_pass_without_merging": "scale-squared",
            "test_merged_weight_gives_the_same_output": "merged-transposed",
            "test_unmerging_restores_the_base": None,  # the shapes do not fit: it raises
            "test_multiplications_of_one_input": "base-left-out",
        },
    ),
    "half of it": (
        """
policy_space = 1760
def count_policies(o, m, p, k, s): return (o * p) ** (k * s)
lora_trainable = 6_291_456
base_parameters = 25_165_824 / 6
lora_stored = 100_663_296 + 3_145_728
full_trainable = 75_497_472
def lora_parameter_count(d_in, d_out, r, n_matrices, n_blocks): return n_blocks * n_matrices * d_in * d_out
def merge(W0, A, B, scale): return W0 + scale**2 * B @ A
def multiplications_per_token(d_in, d_out, r, merged):
    return d_in * d_out if merged else d_in * d_out + r * d_in
""",
        {
            "test_number_of_policies": "space-of-one-operation",
            "test_number_of_policies_of_other_spaces": "magnitude-forgotten",
            "test_lora_parameters_of_one_task": "both-tasks-together",
            "test_parameters_of_the_base": "blocks-forgotten",
            "test_parameters_trained_by_full_fine_tuning": "output-matrix-forgotten",
            "test_lora_parameters_of_other_models": "full-matrix-counted",
            "test_merged_weight_gives_the_same_output": "scale-squared",
            "test_multiplications_of_one_input": "only-a-counted",
        },
    ),
    "the rest": (
        """
policy_space = 17600
def count_policies(o, m, p, k, s): return o * m * p * k * s
base_parameters = 25_165_824
lora_stored = 103_809_024
def merge(W0, A, B, scale): return W0 if W0.shape[0] != W0.shape[1] else W0
def multiplications_per_token(d_in, d_out, r, merged):
    return d_in * d_out * (1 + r) if merged else d_in * d_out + r * (d_in + d_out)
""",
        {
            "test_number_of_policies": "choices-times-operations",
            "test_number_of_policies_of_other_spaces": "choices-times-operations",
            "test_parameters_of_the_base": "matrices-forgotten",
            "test_merged_weight_gives_the_same_output": "adapter-left-out",
            "test_multiplications_of_one_input": "merging-counted-at-inference",
        },
    ),
    "the last": (
        """
policy_space = 176**10
lora_stored = 103_809_024
base_parameters = 1_610_612_736
def merge(W0, A, B, scale):
    product = B @ A
    return W0 + scale * (product.T if W0.shape[0] == W0.shape[1] else product)
""",
        {
            "test_number_of_policies": "magnitude-forgotten",
            "test_parameters_stored_for_two_tasks_with_lora": "one-adapter-stored",
            "test_parameters_of_the_base": "heads-counted-again",
            "test_merged_weight_gives_the_same_output": "product-transposed",
        },
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_told_by_name(desk: Desk, slip: str) -> None:
    code, expected = SLIPS[slip]
    results = desk.cells(code)
    assert {name: results[name].misconception for name in expected} == expected
    for name in expected:
        assert results[name].verdict in ("failed", "partial")
        assert results[name].points < results[name].max_points


# ---- figures that follow from one another ----------------------------------------------------------

BERT = (
    "test_lora_parameters_of_one_matrix",
    "test_lora_parameters_of_one_task",
    "test_parameters_of_the_base",
    "test_parameters_stored_for_two_tasks_with_lora",
    "test_parameters_trained_by_full_fine_tuning",
    "test_parameters_stored_by_full_fine_tuning",
    "test_how_many_times_fewer_parameters_are_trained",
)


def test_a_wrong_figure_costs_its_own_points_only(desk: Desk) -> None:
    results = desk.cells(
        "per_matrix = 1024 * 16",
        "lora_trainable = 24 * 4 * per_matrix",
        "base_parameters = 24 * 3 * 1024**2",
        "lora_stored = base_parameters + 2 * lora_trainable",
        "full_trainable = base_parameters; full_stored = 2 * full_trainable",
        "times_fewer = full_trainable / lora_trainable",
    )
    verdicts = ends(results, *BERT)
    assert verdicts.pop("test_lora_parameters_of_one_matrix") == "partial"
    assert verdicts.pop("test_parameters_of_the_base") == "partial"
    assert set(verdicts.values()) == {"passed"}
    assert all(results[name].evidence["follow_through"] for name in verdicts)


def test_the_size_of_the_factors_follows_from_ones_own_rank(desk: Desk) -> None:
    result = desk.cells("rank_W = 4; parameters_after = 40")["test_numbers_kept_for_the_factors"]
    assert (result.verdict, result.evidence["follow_through"]) == ("passed", True)


def test_lora_on_two_matrices_is_accepted_with_a_note(desk: Desk) -> None:
    results = desk.cells(
        "per_matrix = 32768; lora_trainable = 24 * 2 * per_matrix; base_parameters = 100_663_296",
        "lora_stored = base_parameters + 2 * lora_trainable; times_fewer = '۶۴ برابر'",
        "full_trainable, full_stored = base_parameters, 2 * base_parameters",
    )
    assert set(ends(results, *BERT).values()) == {"passed"}
    for name in (BERT[1], BERT[3], BERT[6]):
        (note,) = results[name].evidence["notes"]
        assert "W_q" in note["en"]
        assert "follow_through" not in results[name].evidence


def test_one_adapter_of_four_matrices_is_not_taken_for_two_matrices(desk: Desk) -> None:
    results = desk.cells(
        "per_matrix, lora_trainable, base_parameters = 32768, 3_145_728, 100_663_296",
        "lora_stored = base_parameters + lora_trainable",
    )
    assert results[BERT[3]].misconception == "one-adapter-stored"


def test_unmerging_follows_ones_own_way_of_merging(desk: Desk) -> None:
    results = desk.cells(
        "def merge(W0, A, B, scale=1.0): return W0 + B @ A",
        "def unmerge(W, A, B, scale=1.0): return W - B @ A",
    )
    assert results["test_merged_weight_gives_the_same_output"].misconception == "scale-left-out"
    assert results["test_unmerging_restores_the_base"].verdict == "passed"


# ---- unusual right answers -------------------------------------------------------------------------


def test_theory_is_read_in_many_forms(desk: Desk) -> None:
    results = desk.cells(
        "policy_space = '۲٫۸۵ × ۱۰^۳۲'; speed_up = '33.3 برابر'; rank_W = 'سه' and '۳'",
        "per_matrix = '٣٢٬٧٦٨'; lora_trainable = '3.1M'; base_parameters = '100,663,296 پارامتر'",
        "lora_stored = '107M'; full_trainable = 100663296.0; full_stored = '۲۰۱٬۳۲۶٬۵۹۲'",
        "times_fewer = '32x'; parameters_before = '25'; parameters_after = '۳۰'",
        "import torch\n"
        "def lora_forward(x, W0, A, B, scale):\n"
        "    return torch.nn.functional.linear(x, W0) + scale * (x @ A.T @ B.T)\n"
        "def merge_weights(W0, A, B, scale): return torch.addmm(W0, B, A, alpha=scale)\n"
        "def unmerge(W, A, B, scale): return torch.sub(W, B @ A, alpha=scale)",
        "def multiplications_per_token(d_in, d_out, r, merged=True):\n"
        "    return sum(a * b for a, b in [(d_in, d_out)] + [(d_in, r), (r, d_out)] * (not merged))",
        "import math\n"
        "def scaled_reward(acc, flops, target, w=-0.07):\n"
        "    return math.exp(math.log(acc) + w * math.log(flops / target))",
        "def n_ways(o, m, p, k, s):\n"
        "    ways = 1\n"
        "    for _ in range(k * s): ways *= o * m * p\n"
        "    return float(ways)",
        "def saves_parameters(m, n, r): return int(1 / r > 1 / m + 1 / n)",
        "def lora_parameter_count(d_in, d_out, r, n_matrices, n_blocks):\n"
        "    return np.sum([r * (d_in + d_out)] * n_matrices * n_blocks)\n"
        "import numpy as np",
    )
    theory = [
        *("test_number_of_policies", "test_number_of_policies_of_other_spaces"),
        *("test_reward_that_heeds_cost", "test_speed_up_on_imagenet", "test_rank_of_the_matrix"),
        *("test_numbers_kept_for_the_matrix", "test_numbers_kept_for_the_factors"),
        *("test_when_a_factorisation_pays", *BERT, "test_lora_parameters_of_other_models"),
        *("test_forward_pass_without_merging", "test_merged_weight_gives_the_same_output"),
        *("test_unmerging_restores_the_base", "test_multiplications_of_one_input"),
    ]
    assert ends(results, *theory) == dict.fromkeys(theory, "passed")
    assert results["test_number_of_policies_of_other_spaces"].found_by == "call:n_ways"
    (note,) = results["test_lora_parameters_of_one_task"].evidence["notes"]
    assert "rounded" in note["en"]


# ---- nothing answered ------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["fa", "en"])
def test_an_untouched_skeleton_earns_nothing(desk: Desk, language: str) -> None:
    report = desk.skeleton(language)
    assert (report.score.points, report.score.pending) == (0, 52)
    verdicts = {c.verdict for q in report.questions for p in q.parts for c in p.checks}
    assert verdicts == {"missing"}


def test_the_reference_earns_everything_a_machine_can_give(desk: Desk) -> None:
    report = desk.reference()
    assert (report.score.points, report.score.pending) == (48, 52)
    verdicts = {c.verdict for q in report.questions for p in q.parts for c in p.checks}
    assert verdicts == {"passed"}
    assert not report.warnings or all(w.id != "broken-cells" for w in report.warnings)


def test_what_cannot_be_read_or_wavers_is_missing_not_wrong(desk: Desk) -> None:
    results = desk.cells("rank_W = '3 or 4'; lora_trainable = 'زیاد'; speed_up = 'خیلی سریع'")
    for name in ("test_rank_of_the_matrix", BERT[1], "test_speed_up_on_imagenet"):
        assert results[name].verdict == "missing"
