"""hw2_regularization, questions 1 to 4: wrong answers that are caught, unusual right ones that pass."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.assignments.packed_cases import Answers, PackedNotebooks
from tests.desk import Desk, checks

SLUG = "hw2_regularization"
FOLDER = Path(__file__).parents[2] / "assignments" / SLUG

answers = Answers(tomllib.loads((FOLDER / "feedback.toml").read_text()))
caught, accepted, left = answers.caught, answers.accepted, answers.left

GIVEN = """
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
x_ = np.array([[1.6, -0.7, -0.2, 1.9], [-2.3, 2.5, 2.5, -0.9], [-0.5, 3.2, 3.7, -0.4], [1.3, -0.4, -2.6, 1.2]])
m_ = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]])
"""


def function(name: str, arguments: str, *lines: str) -> str:
    return "\n    ".join([f"def {name}({arguments}):", *lines])


# ---- question 1 ------------------------------------------------------------------------------

PAIR = "dropout_train, dropout_test, keep_probability = {}, {}, 0.5"


def dropping(training: str, test: str, arguments: str = "x, m, p, training") -> str:
    return function("dropout", arguments, f"return ({training}) if training else ({test})")


def epoch_function(*lines: str) -> str:
    return function("overfitting_epoch", "train, val", *lines)


QUESTION_1 = [
    *accepted("test_epoch_of_overfitting", "overfit_epoch = 'epoch ۷'", "best_epoch = np.int64(7)"),
    *left("test_epoch_of_overfitting", "missing", "overfit_epoch = 'somewhere in the middle'"),
    *caught(
        "test_epoch_of_overfitting",
        ("epoch-from-zero", "overfit_epoch = 6"),
        ("stopped-at-the-first-rise", "overfit_epoch = 4"),
        ("epoch-after", "overfit_epoch = 8"),
        ("last-epoch", "overfit_epoch = 12"),
        (None, "overfit_epoch = 2"),
    ),
    *accepted(
        "test_epoch_of_overfitting_of_other_curves",
        # the record kept by hand, -1 for none, a float for the epoch
        epoch_function(
            "best, at = float('inf'), -1",
            "for epoch, loss in enumerate(val, 1):",
            "    if loss < best:",
            "        best, at = loss, epoch",
            "if min(train[at - 1:]) == train[at - 1]:",
            "    return -1",
            "return float(at)",
        ),
    ),
    *caught(
        "test_epoch_of_overfitting_of_other_curves",
        ("epoch-from-zero", epoch_function("return int(np.argmin(val))")),
        ("overfitting-seen-everywhere", epoch_function("return int(np.argmin(val)) + 1")),
        ("last-of-equal-epochs", epoch_function("return len(val) - int(np.argmin(val[::-1]))")),
        ("lowest-training-loss", epoch_function("return int(np.argmin(train)) + 1")),
        (
            "stopped-at-the-first-rise",
            epoch_function("return next(i for i in range(len(val)) if val[i + 1] > val[i]) + 1"),
        ),
    ),
    *accepted("test_keep_probability", "keep_probability = '۰٫۵'", "keep_prob = torch.tensor(0.5)"),
    *caught(
        "test_keep_probability", ("counted-instead-of-averaged", "keep_probability = m_.sum()")
    ),
    *accepted(
        "test_dropout_by_hand",
        ("dropout-classic", PAIR.format("torch.tensor(x_ * m_)", "(x_ / 2).tolist()")),
        ("dropout-inverted", PAIR.format("2 * x_ * m_", "x_")),
        # carried on from a probability that is wrong itself
        "dropout_train, dropout_test, keep_probability = x_ * m_, 0.25 * x_, 0.25",
        "dropout_train = '1.6 0 0 1.9; 0 2.5 2.5 0; 0 3.2 3.7 0; 1.3 0 0 1.2'\ndropout_test = x_ / 2",
        dropping("x * m", "p * x"),  # nothing written down, but the function is there
    ),
    *caught(
        "test_dropout_by_hand",
        ("dropout-scaled-twice", PAIR.format("2 * x_ * m_", "x_ / 2")),
        ("dropout-never-scaled", PAIR.format("x_ * m_", "x_")),
        ("dropout-mask-at-test-time", PAIR.format("x_ * m_", "x_ * m_ / 2")),
        ("dropout-conventions-reversed", PAIR.format("x_ * m_ / 2", "x_")),
        ("dropout-mask-reversed", PAIR.format("x_ * (1 - m_)", "x_ / 2")),
        ("dropout-without-mask", PAIR.format("x_", "x_ / 2")),
        (None, PAIR.format("x_ + m_", "x_ / 2")),
    ),
    *accepted(
        "test_dropout_of_other_layers",
        dropping("torch.as_tensor(x * m / p)", "x"),
        function(
            "dropout_layer",
            "values, keep, p_keep, is_training=True",
            "if is_training:",
            "    return np.where(keep > 0, values, 0)",
            "return values * p_keep",
        ),
    ),
    *caught(
        "test_dropout_of_other_layers",
        ("dropout-drop-probability", dropping("x * m / (1 - p)", "x")),
        ("dropout-drop-probability", dropping("x * m", "(1 - p) * x")),
        ("dropout-probability-from-the-mask", dropping("x * m / m.mean()", "x")),
        ("dropout-scaled-twice", dropping("x * m / p", "x * p")),
        ("dropout-never-scaled", dropping("x * m", "x")),
        ("dropout-mask-at-test-time", dropping("x * m", "x * m")),
    ),
]

# ---- question 2 ------------------------------------------------------------------------------


def step(name: str, formula: str) -> str:
    return function(name, "w, g, lr, lam", f"return {formula}")


QUESTION_2 = [
    *accepted("test_bias_as_k_grows", "bias_as_k_grows = 'افزایش می‌یابد'", "knn_bias = '↑'"),
    *caught(
        "test_bias_as_k_grows",
        ("knn-bias-and-variance-swapped", "bias_as_k_grows = 'کم می‌شود'"),
        ("knn-no-trade-off", "bias_as_k_grows = 'stays the same'"),
    ),
    *accepted("test_variance_as_k_grows", "variance_as_k_grows = 'کاهش پیدا می‌کند'"),
    *caught(
        "test_variance_as_k_grows",
        ("knn-bias-and-variance-swapped", "variance_as_k_grows = 'goes up'"),
        ("knn-no-trade-off", "variance_as_k_grows = 'ثابت'"),
    ),
    *accepted("test_training_error_at_k1", "training_error_at_k1 = '۰٪'", "error_k1 = 0.0"),
    *caught(
        "test_training_error_at_k1",
        ("accuracy-for-error", "training_error_at_k1 = 1"),
        ("accuracy-for-error-in-percent", "training_error_at_k1 = 100"),
        (None, "training_error_at_k1 = 0.5"),
    ),
    *accepted("test_statement[1]", "statement_1 = 'بله، درست است'"),
    *accepted("test_statement[2]", "statement_2 = 'نادرست'"),
    *accepted("test_statement[3]", "statement_3 = np.False_"),
    *caught("test_statement[1]", ("regularisation-never-hurts", "statement_1 = False")),
    *caught("test_statement[2]", ("features-for-examples", "statement_2 = 'درست'")),
    *caught("test_statement[3]", ("penalty-direction-reversed", "statement_3 = 'True'")),
    *left("test_statement[3]", "missing", "statement_3 = 'it depends'"),
    *accepted("test_penalty_of_weights[1]", "penalty_1 = 'نرم دوم (Ridge)'"),
    *accepted(
        "test_penalty_of_weights[2]", "penalty_2 = 'لاسو، چون سه وزن صفر است و L2 صفر نمی‌کند'"
    ),
    *accepted("test_penalty_of_weights[3]", "penalty_3 = 'بدون منظم‌سازی'", "reg_3 = 'no penalty'"),
    *caught(
        "test_penalty_of_weights[1]",
        ("even-weights-are-not-l1", "penalty_1 = 'L1'"),
        ("even-weights-without-penalty", "penalty_1 = 'هیچ‌کدام'"),
    ),
    *caught(
        "test_penalty_of_weights[2]",
        ("zeros-are-not-l2", "penalty_2 = 'ridge'"),
        ("zeros-without-penalty", "penalty_2 = 'none'"),
    ),
    *caught(
        "test_penalty_of_weights[3]",
        ("large-weights-under-l1", "penalty_3 = 'ال۱'"),
        ("large-weights-under-l2", "penalty_3 = 'l2'"),
    ),
    *left("test_penalty_of_weights[3]", "missing", "penalty_3 = 'L1, or perhaps none'"),
    *accepted("test_penalty_of_the_debatable_weights", "penalty_4 = 'lasso'"),
    *caught(
        "test_penalty_of_the_debatable_weights",
        ("fourth-vector-under-l2", "penalty_4 = 'L2'"),
        ("fourth-vector-without-penalty", "penalty_4 = 'none'"),
    ),
    *left(
        "test_penalty_of_the_debatable_weights",
        "pending",
        "penalty_4 = 'L1, or perhaps none'",
        "penalty_4 = 'L2, because three of the four weights are not zero'",
        "penalty_4 = 'none'  # only one weight is zero and 8.5 is large",
    ),
    *accepted(
        "test_step_under_l2",
        function("l2_update", "w, g, lr, lam", "w -= lr * g + lr * lam * w", "return w"),
    ),
    *caught(
        "test_step_under_l2",
        ("penalty-factor-two", step("l2_step", "w - lr * (g + 2 * lam * w)")),
        ("penalty-grows-the-weights", step("l2_step", "w - lr * (g - lam * w)")),
        ("penalty-without-learning-rate", step("l2_step", "w - lr * g - lam * w")),
        ("penalty-without-loss", step("l2_step", "w - lr * lam * w")),
        ("loss-without-penalty", step("l2_step", "w - lr * g")),
        ("decay-after-the-step", step("l2_step", "(w - lr * g) * (1 - lr * lam)")),
        ("l1-for-l2", step("l2_step", "w - lr * (g + lam * np.sign(w))")),
        ("gradient-not-step", step("l2_step", "g + lam * w")),
        ("climbs", step("l2_step", "w + lr * (g + lam * w)")),
        (None, step("l2_step", "w - lr * g - 7")),
    ),
    *accepted(
        "test_step_under_l1",
        # another subgradient where the weight is zero
        step("l1_step", "w - lr * (g + lam * np.where(w >= 0, 1, -1))"),
        step(
            "lasso_step",
            "[wi - lr * (gi + lam * (int(wi > 0) - int(wi < 0))) for wi, gi in zip(w, g)]",
        ),
    ),
    *caught(
        "test_step_under_l1",
        ("l2-for-l1", step("l1_step", "w - lr * (g + lam * w)")),
        ("penalty-grows-the-weights", step("l1_step", "w - lr * (g - lam * np.sign(w))")),
        ("penalty-without-learning-rate", step("l1_step", "w - lr * g - lam * np.sign(w)")),
        ("l1-without-sign", step("l1_step", "w - lr * (g + lam)")),
        ("l1-magnitude-for-sign", step("l1_step", "w - lr * (g + lam * abs(w))")),
        ("l1-sign-of-the-gradient", step("l1_step", "w - lr * (g + lam * np.sign(g))")),
        (
            "l1-shrunk-to-zero",
            step("l1_step", "np.sign(w - lr * g) * np.maximum(abs(w - lr * g) - lr * lam, 0)"),
        ),
        ("gradient-not-step", step("l1_step", "g + lam * np.sign(w)")),
        ("climbs", step("l1_step", "w + lr * (g + lam * np.sign(w))")),
    ),
]

# ---- question 3 ------------------------------------------------------------------------------


def softmax(formula: str) -> str:
    return function("softmax_with_temperature", "z, T", f"return {formula}")


def distillation(formula: str, *before: str) -> str:
    return function("distillation_loss", "zs, zt, y, T, alpha, beta", *before, f"return {formula}")


HARD = "F.cross_entropy(zs, y)"
SOFT = "F.kl_div(F.log_softmax(zs / T, 1), F.softmax(zt / T, 1), reduction='batchmean')"

LOSS_BY_NUMPY = function(
    "kd_loss",
    "zs, zt, y, T, alpha, beta",
    "zs, zt, y = (np.asarray(t) for t in (zs, zt, y))",
    "e = lambda z, T: np.exp(z / T) / np.exp(z / T).sum(axis=1, keepdims=True)",
    "kl = (e(zt, T) * np.log(e(zt, T) / e(zs, T))).sum(axis=1).mean()",
    "return -alpha * np.log(e(zs, 1)[np.arange(len(y)), y]).mean() + beta * kl",
)


def loss_mistakes() -> list[tuple[str | None, str]]:
    swapped = "F.kl_div(F.log_softmax(zt / T, 1), F.softmax(zs / T, 1), reduction='batchmean')"
    one_side = "F.kl_div(F.log_softmax(zs, 1), F.softmax(zt / T, 1), reduction='batchmean')"
    of_logs = (
        "F.kl_div(F.log_softmax(zs / T, 1).log(), F.softmax(zt / T, 1), reduction='batchmean')"
    )
    cold = "F.kl_div(F.log_softmax(zs, 1), F.softmax(zt, 1), reduction='batchmean')"
    entropy = "-(F.softmax(zt / T, 1) * F.log_softmax(zs / T, 1)).sum(1).mean()"
    return [
        ("kl-arguments-swapped", distillation(f"alpha * {HARD} + beta * {swapped}")),
        ("kl-arguments-swapped", distillation(f"alpha * {HARD} + beta * T * T * {swapped}")),
        ("temperature-on-one-side-only", distillation(f"alpha * {HARD} + beta * {one_side}")),
        (
            "temperature-on-the-hard-labels",
            distillation(f"alpha * F.cross_entropy(zs / T, y) + beta * {SOFT}"),
        ),
        ("log-of-log-softmax", distillation(f"alpha * {HARD} + beta * {of_logs}")),
        ("temperature-ignored", distillation(f"alpha * {HARD} + beta * {cold}")),
        (
            "softmax-before-cross-entropy-in-kd",
            distillation(f"alpha * F.cross_entropy(F.softmax(zs, 1), y) + beta * {SOFT}"),
        ),
        (
            "kl-mean-over-elements",
            distillation(f"alpha * {HARD} + beta * {SOFT.replace('batchmean', 'mean')}"),
        ),
        (
            "kl-summed-over-the-batch",
            distillation(f"alpha * {HARD} + beta * {SOFT.replace('batchmean', 'sum')}"),
        ),
        ("weights-of-the-terms-swapped", distillation(f"beta * {HARD} + alpha * {SOFT}")),
        ("weights-of-the-terms-ignored", distillation(f"{HARD} + {SOFT}")),
        ("beta-taken-as-one-minus-alpha", distillation(f"alpha * {HARD} + (1 - alpha) * {SOFT}")),
        (
            "kl-input-without-log",
            distillation(f"alpha * {HARD} + beta * {SOFT.replace('log_softmax', 'softmax')}"),
        ),
        ("soft-cross-entropy-for-kl", distillation(f"alpha * {HARD} + beta * {entropy}")),
        ("kl-of-the-wrong-sign", distillation(f"alpha * {HARD} - beta * {SOFT}")),
        ("soft-term-missing", distillation(f"alpha * {HARD}")),
        ("hard-term-missing", distillation(f"beta * {SOFT}")),
        (
            "loss-not-one-number",
            distillation(f"alpha * F.cross_entropy(zs, y, reduction='none') + beta * {SOFT}"),
        ),
        (None, distillation(f"alpha * {HARD} + beta * {SOFT} + 1")),
    ]


QUESTION_3 = [
    *accepted(
        "test_softmax_with_temperature",
        softmax("np.exp((z - z.max(1, keepdim=True).values).numpy() / T) / np.exp((z - z.max(1, "
                "keepdim=True).values).numpy() / T).sum(1, keepdims=True)"),
        function("softmax_T", "logits, temperature=1", "return (logits / temperature).softmax(-1)"),
    ),
    *caught(
        "test_softmax_with_temperature",
        ("temperature-multiplied", softmax("F.softmax(z * T, 1)")),
        ("temperature-ignored", softmax("F.softmax(z, 1)")),
        ("temperature-after-softmax", softmax("F.softmax(z, 1) / T")),
        ("softmax-over-the-batch", softmax("F.softmax(z / T, 0)")),
        ("log-softmax-for-softmax", softmax("F.log_softmax(z / T, 1)")),
        ("exponentials-not-normalised", softmax("torch.exp(z / T)")),
        ("softmax-overflows", softmax("torch.exp(z / T) / torch.exp(z / T).sum(1, keepdim=True)")),
    ),
    *accepted(
        "test_distillation_loss",
        ("distillation-plain", LOSS_BY_NUMPY),
        ("distillation-scaled-by-t-squared", distillation(f"alpha * {HARD} + beta * T ** 2 * {SOFT}")),
    ),
    *caught("test_distillation_loss", *loss_mistakes()),
    *accepted("test_distillation_loss_of_other_batches", LOSS_BY_NUMPY),
    *caught(
        "test_distillation_loss_of_other_batches",
        ("kl-arguments-swapped", dict(loss_mistakes())["kl-arguments-swapped"]),
        (
            "t-squared-now-and-then",
            distillation(f"alpha * {HARD} + beta * (T ** 2 if T > 3 else 1) * {SOFT}"),
        ),
    ),
]  # fmt: skip

# ---- question 4 ------------------------------------------------------------------------------


def sgd(formula: str) -> str:
    return function("sgd_step", "ps, gs, lr", f"return [{formula} for p, g in zip(ps, gs)]")


def momentum(velocity: str, position: str, name: str = "momentum_step") -> str:
    return function(
        name,
        "ps, gs, vs, lr, beta=0.9",
        f"new_vs = [{velocity} for v, g in zip(vs, gs)]",
        f"return [{position} for p, g, v, old in zip(ps, gs, new_vs, vs)], new_vs",
    )


HEAVY = momentum("beta * v + g", "p - lr * v")
AVERAGED = momentum("beta * v + (1 - beta) * g", "p - lr * v")
RATE_INSIDE = momentum("beta * v + lr * g", "p - v")
BLIND = momentum("beta * v + g", "p - v")
NESTEROV = momentum("beta * v + g", "p - lr * (g + beta * v)")

IN_PLACE = """
def momentum_update(params, grads, velocity, lr, beta):
    for p, g, v in zip(params, grads, velocity):
        v.mul_(beta).sub_(lr * g)
        p.add_(v)
"""
ONE_AT_A_TIME = """
def momentum(w, dw, v, lr, beta=0.9):
    v = beta * v - lr * dw
    return w + v, v
"""
AS_A_CLASS = """
class Momentum:
    def __init__(self, params, lr, momentum=0.9):
        self.params, self.lr, self.mu = list(params), lr, momentum
        self.v = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        for i, p in enumerate(self.params):
            self.v[i] = self.mu * self.v[i] + (1 - self.mu) * p.grad
            p -= self.lr * self.v[i]
"""
SGD_CLASS = """
class SGD:
    def __init__(self, parameters, lr=0.1):
        self.parameters, self.lr = parameters, lr
    def step(self):
        for p in self.parameters:
            p.data = p.data - self.lr * p.grad
"""
STEPS = """
steps_needed = {("sgd", 1.0): None, ("sgd", 0.1): 11, ("sgd", 0.01): 140, ("sgd", 0.001): None,
    ("momentum", 1.0): None, ("momentum", 0.1): 7, ("momentum", 0.01): 10, ("momentum", 0.001): 79}
"""
NESTED = """
steps_to_goal = {"SGD": {1: "never", 0.1: 12, 0.01: 141, 0.001: 1000},
    "SGD + momentum": {1: float("inf"), 0.1: 8, 0.01: 11, 0.001: 80}}
"""
LOSS_CURVES = """
def falling(n): return [max(5 - 4.99 * i / n, 0.01) for i in range(1000)]
loss_history = {"sgd": [[18.6] * 1000, falling(12), falling(150), falling(2000)],
    "momentum": [[18.6] * 1000, falling(8), falling(11), falling(80)]}
"""


def changed(source: str, *changes: tuple[tuple[str, float], object]) -> str:
    return source + "".join(f"steps_needed[{key!r}] = {value!r}\n" for key, value in changes)


QUESTION_4 = [
    *accepted(
        "test_path_of_sgd",
        SGD_CLASS,
        function("sgd", "w, dw, eta", "return w - eta * dw"),
        function(
            "sgd_update",
            "params, grads, lr",
            "for p, g in zip(params, grads):",
            "    p.sub_(lr * g)",
        ),
    ),
    *caught(
        "test_path_of_sgd",
        ("sgd-climbs", sgd("p + lr * g")),
        ("sgd-ignores-the-learning-rate", sgd("p - g")),
        ("sgd-returns-the-change", sgd("-lr * g")),
        ("rule-changes-nothing", sgd("p")),
        ("rule-returns-other-shapes", sgd("(p - lr * g).sum()")),
        (None, sgd("p - lr * lr * g")),
    ),
    *accepted(
        "test_path_of_momentum",
        ("momentum-heavy-ball", RATE_INSIDE),
        ("momentum-averaged", AVERAGED),
        ("momentum-averaged", AS_A_CLASS),
        ("momentum-nesterov", NESTEROV),
        ("momentum-heavy-ball", IN_PLACE),
        ("momentum-heavy-ball", ONE_AT_A_TIME),
    ),
    *caught(
        "test_path_of_momentum",
        ("momentum-ignores-the-learning-rate", BLIND),
        ("momentum-ignores-the-learning-rate", momentum("beta * v + (1 - beta) * g", "p - v")),
        ("momentum-without-memory", momentum("g", "p - lr * v")),
        ("momentum-climbs", momentum("beta * v + g", "p + lr * v")),
        ("momentum-betas-swapped", momentum("(1 - beta) * v + beta * g", "p - lr * v")),
        ("momentum-learning-rate-twice", momentum("beta * v + lr * g", "p - lr * v")),
        ("momentum-without-decay", momentum("v + g", "p - lr * v")),
        ("momentum-one-step-late", momentum("beta * v + g", "p - lr * old")),
        ("momentum-oscillates", momentum("g - beta * v", "p - lr * v")),
        (None, momentum("beta * v + g * g", "p - lr * v")),
    ),
    *accepted(
        "test_path_of_momentum_at_other_settings",
        momentum("beta * v + (1 - beta) * lr * g", "p - v"),
        IN_PLACE,
        # beta is a constant inside
        function(
            "sgd_momentum",
            "params, grads, velocities, lr",
            "vs = [0.9 * v + g for v, g in zip(velocities, grads)]",
            "return [p - lr * v for p, v in zip(params, vs)], vs",
        ),
    ),
    *caught(
        "test_path_of_momentum_at_other_settings", ("momentum-ignores-the-learning-rate", BLIND)
    ),
    *accepted("test_learning_rates_compared", HEAVY + NESTED),
    *accepted("test_learning_rates_compared", HEAVY + LOSS_CURVES),
    *left("test_learning_rates_compared", "missing", HEAVY + "\nsteps_needed = None"),
    *left(
        "test_learning_rates_compared", "pending", HEAVY + changed(STEPS, (("momentum", 1.0), 30))
    ),
    *caught(
        "test_learning_rates_compared",
        ("runs-missing", HEAVY + "\nsteps_needed = {('sgd', 0.1): 11}"),
        ("smaller-rate-not-slower", HEAVY + changed(STEPS, (("sgd", 0.01), 9))),
        ("rate-of-a-tenth-does-not-arrive", HEAVY + changed(STEPS, (("momentum", 0.1), None))),
        (
            "rate-of-one-arrives",
            HEAVY + "\ndef initial_parameters(): ..." + changed(STEPS, (("sgd", 1.0), 3)),
        ),
    ),
    *accepted(
        "test_steps_that_momentum_saves",
        HEAVY + LOSS_CURVES,
        (
            "averaged-momentum-saves-nothing",
            AVERAGED
            + changed(
                STEPS,
                (("momentum", 0.1), 16),
                (("momentum", 0.01), 148),
                (("momentum", 0.001), None),
            ),
        ),
    ),
    *caught(
        "test_steps_that_momentum_saves",
        ("momentum-saves-nothing", BLIND + changed(STEPS, (("momentum", 0.01), 140))),
        ("momentum-saves-nothing", HEAVY + changed(STEPS, (("momentum", 0.001), 990))),
    ),
]

CASES = [*QUESTION_1, *QUESTION_2, *QUESTION_3, *QUESTION_4]

FAMILIES = {
    "test_keep_probability": "dropout",
    "test_dropout_by_hand": "dropout",
    "test_dropout_of_other_layers": "dropout",
    "test_distillation_loss_of_other_batches": "distillation",
    "test_distillation_loss": "distillation",
    "test_path_of_momentum": "momentum",
    "test_path_of_momentum_at_other_settings": "momentum",
    "test_learning_rates_compared": "momentum",
    "test_steps_that_momentum_saves": "momentum",
}


@pytest.fixture(scope="module")
def notebooks(desk: Desk) -> PackedNotebooks:
    return PackedNotebooks(desk, GIVEN, CASES, FAMILIES)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: str(CASES[number]))
def test_each_answer_comes_to_what_it_deserves(notebooks: PackedNotebooks, number: int) -> None:
    answers.verify(CASES[number], notebooks.result(number))


@pytest.mark.parametrize(
    ("prose", "verdict"),
    [
        ("فقط یک صفر دارد و سه وزن دیگر صفر نشده‌اند، پس L2", "pending"),
        ("پاسخ شما", "failed"),
    ],
)
def test_a_reason_in_the_prose_sends_the_debatable_vector_to_a_person(
    desk: Desk, prose: str, verdict: str
) -> None:
    answer = {"karnameh": {"answer": "penalties/which", "lang": "fa"}}
    cells = [new_code_cell("penalty_4 = 'L2'"), new_markdown_cell(prose, metadata=answer)]
    result = checks(desk.notebook(new_notebook(cells=cells)))
    assert result["test_penalty_of_the_debatable_weights"].verdict == verdict


def test_a_reason_in_a_cell_of_ones_own_counts_as_well(desk: Desk) -> None:
    own = new_markdown_cell("بردار چهارم: چون وزن ۸٫۵ بزرگ مانده است، جریمه‌ای در کار نبوده.")
    cells = [new_code_cell("penalty_4 = 'none'"), own]
    result = checks(desk.notebook(new_notebook(cells=cells)))
    assert result["test_penalty_of_the_debatable_weights"].verdict == "pending"
