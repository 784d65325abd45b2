"""Question 2: which way K moves bias and variance, three statements, four weight vectors, two steps."""

import re

import numpy as np
import pytest

from grader.checks import answers

pytestmark = pytest.mark.question("penalties")


# ---- K nearest neighbours -------------------------------------------------------------------------

MOVES = {
    "increases": (
        "increase", "increasing", "grows", "grow", "rises", "rise", "goes up", "up", "higher", "more",
        "larger", "bigger", "↑", "+", "زیاد", "بیشتر", "افزایش", "افزایش می‌یابد", "افزایش می یابد",
        "افزایش پیدا می‌کند", "زیاد می‌شود", "بیشتر می‌شود", "بالا می‌رود", "بالا", "افزایشی", "زیادتر",
    ),
    "decreases": (
        "decrease", "decreasing", "falls", "fall", "shrinks", "drops", "goes down", "down", "lower",
        "less", "smaller", "reduces", "reduced", "↓", "کم", "کمتر", "کاهش", "کاهش می‌یابد",
        "کاهش پیدا می‌کند", "کم می‌شود", "کمتر می‌شود", "پایین می‌آید", "پایین", "کاهشی",
    ),
    "unchanged": (
        "same", "stays the same", "constant", "no change", "does not change", "ثابت", "بدون تغییر",
        "تغییر نمی‌کند", "تغییری نمی‌کند", "ثابت می‌ماند",
    ),
}  # fmt: skip
ARROWS = {"↑": "increases", "↗": "increases", "+": "increases", "↓": "decreases", "↘": "decreases"}


def direction(student, name):
    """Read which way a quantity moves; an arrow or a sign will do."""
    raw = student.value(name)
    arrow = ARROWS.get(raw.value.strip()) if isinstance(raw.value, str) else None
    options = {move: [n for n in names if n not in ARROWS] for move, names in MOVES.items()}
    return arrow or student.value(name, kind="choice", options=options)


@pytest.mark.part("directions", points=1)
def test_bias_as_k_grows(student, reference, expect):
    expect(direction(student, "bias_as_k_grows")).choice(
        reference.bias_as_k_grows,
        misconceptions={
            "knn-bias-and-variance-swapped": "decreases",
            "knn-no-trade-off": "unchanged",
        },
    )


@pytest.mark.part("directions", points=1)
def test_variance_as_k_grows(student, reference, expect):
    expect(direction(student, "variance_as_k_grows")).choice(
        reference.variance_as_k_grows,
        misconceptions={
            "knn-bias-and-variance-swapped": "increases",
            "knn-no-trade-off": "unchanged",
        },
    )


@pytest.mark.part("directions", points=1)
def test_training_error_at_k1(student, reference, expect):
    answer = student.value("training_error_at_k1", kind="number")
    expect(answer).close(
        reference.training_error_at_k1,
        misconceptions={
            "accuracy-for-error": 1,
            "accuracy-for-error-in-percent": 100,
        },
    )


# ---- three statements -----------------------------------------------------------------------------

OPPOSITES = {
    1: "regularisation-never-hurts",
    2: "features-for-examples",
    3: "penalty-direction-reversed",
}


@pytest.mark.part("truth", points=3)
@pytest.mark.parametrize("number", OPPOSITES)
def test_statement(student, reference, expect, number):
    name = f"statement_{number}"
    answer = student.value(name, kind="boolean")
    expected = getattr(reference, name)
    if answer.value is not expected:
        expect.misconception(OPPOSITES[number])


# ---- four weight vectors --------------------------------------------------------------------------

PENALTIES = {
    "L1": ("lasso", "l 1", "l1 norm", "ال۱", "ال ۱", "ال یک", "ال‌وان", "نرم اول", "نرم ۱", "لاسو"),
    "L2": ("ridge", "l 2", "l2 norm", "weight decay", "ال۲", "ال ۲", "ال دو", "نرم دوم", "نرم ۲", "ریج"),
    "none": (
        "no", "nothing", "without", "no penalty", "no regularization", "no regularisation", "without penalty",
        "without regularization", "unregularized", "unregularised", "neither", "هیچ", "هیچکدام",
        "هیچ‌کدام", "بدون", "بدون جریمه", "بی‌جریمه", "بی جریمه", "بدون منظم‌سازی", "بدون منظم سازی",
        "بدون رگولاریزیشن", "ندارد",
    ),
}  # fmt: skip

MISREAD = {
    1: {"even-weights-are-not-l1": "L1", "even-weights-without-penalty": "none"},
    2: {"zeros-are-not-l2": "L2", "zeros-without-penalty": "none"},
    3: {"large-weights-under-l1": "L1", "large-weights-under-l2": "L2"},
}


@pytest.mark.part("choices", points=3)
@pytest.mark.parametrize("number", MISREAD)
def test_penalty_of_weights(student, reference, expect, number):
    name = f"penalty_{number}"
    answer = student.value(name, kind="choice", options=PENALTIES)
    expect(answer).choice(getattr(reference, name), misconceptions=MISREAD[number])


@pytest.mark.part("choices", points=1)
def test_penalty_of_the_debatable_weights(student, reference, expect):
    raw = student.value("penalty_4")
    try:
        chosen = answers.read_choice(raw.value, PENALTIES)
    except answers.Hedged:
        expect.pending("fourth-vector-is-debatable")
    except answers.Unreadable:
        if reason_given(student, raw):
            expect.pending("fourth-vector-is-debatable")
        chosen = student.value("penalty_4", kind="choice", options=PENALTIES).value
    if chosen != reference.penalty_4 and reason_given(student, raw):
        expect.evidence(
            kind="choice", answered={"text": str(raw.value), "shape": None, "dtype": None}
        )
        expect.pending("fourth-vector-is-debatable")
    expect(chosen).choice(
        reference.penalty_4,
        misconceptions={"fourth-vector-under-l2": "L2", "fourth-vector-without-penalty": "none"},
    )


def reason_given(student, answer) -> bool:
    """Whether the fourth choice comes with a reason: in the answer, a comment, or the prose."""
    words = re.findall(r"\w+", str(answer.value))
    cells = student.subject.submitted.cells
    if len(words) >= 4:
        return True
    if answer.cell is not None:
        for line in cells[answer.cell].source.splitlines():
            code, _, comment = line.partition("#")
            own = answer.found_by.partition(":")[2] or "penalty_4"
            if own in code and len(comment.split()) >= 3 and "your code" not in comment.lower():
                return True
    for cell in cells:
        if cell.cell_type != "markdown":
            continue
        ours = cell.metadata.get("karnameh", {})
        if ours.get("answer") == "penalties/which" and is_written(cell.source):
            return True
        if not ours and not is_question(cell.source) and about_fourth(cell.source):
            return True
    return False


def is_written(prose: str) -> bool:
    """Whether an answer's cell holds more than the words that ask for it."""
    plain = re.sub(r"<[^>]*>|[*_#>]", " ", prose)
    plain = re.sub(r"پاسخ شما|your answer|[.:…]", " ", plain, flags=re.IGNORECASE)
    return len(plain.split()) >= 5


def is_question(prose: str) -> bool:
    """Whether a cell is the question itself."""
    return "penalty_4" in prose and "penalty_1" in prose


def about_fourth(prose: str) -> bool:
    """Whether a cell of free prose speaks of the fourth vector and its penalty."""
    speaks = re.search(r"8[.,/]5|۸[.,٫/]۵|fourth|چهارم|\bw4\b|\(?[dت]\)", prose, re.IGNORECASE)
    return bool(
        speaks and re.search(r"\bL ?[12۱۲]\b|نرم|جریمه|penalt|lasso|ridge", prose, re.IGNORECASE)
    )


# ---- steps ------------------------------------------------------------------------------------------


def ingredients(rng):
    weights, gradient = rng.normal(size=6).round(2) + 0.3, rng.normal(size=6).round(2)
    weights[2] = 0
    weights[3], gradient[3] = 0.05, 0  # a step of L1 carries it beyond zero, shrinking stops there
    return weights, gradient, 0.1, 0.7


@pytest.mark.part("steps", points=1)
def test_step_under_l2(student, reference, expect, rng):
    w, g, rate, lam = ingredients(rng)
    step = student.function("l2_step")
    expect(step(w.copy(), g, rate, lam)).close(
        reference.l2_step(w, g, rate, lam),
        misconceptions={
            "penalty-factor-two": (1 - 2 * rate * lam) * w - rate * g,
            "penalty-grows-the-weights": (1 + rate * lam) * w - rate * g,
            "penalty-without-learning-rate": (1 - lam) * w - rate * g,
            "penalty-without-loss": (1 - rate * lam) * w,
            "loss-without-penalty": w - rate * g,
            "decay-after-the-step": (1 - rate * lam) * (w - rate * g),
            "l1-for-l2": w - rate * (g + lam * np.sign(w)),
            "gradient-not-step": g + lam * w,
            "climbs": w + rate * (g + lam * w),
        },
    )


@pytest.mark.part("steps", points=1)
def test_step_under_l1(student, reference, expect, rng):
    w, g, rate, lam = ingredients(rng)
    answer = student.function("l1_step")(w.copy(), g, rate, lam)
    expected = reference.l1_step(w, g, rate, lam)
    wrong = {
        "l2-for-l1": w - rate * (g + lam * w),
        "penalty-grows-the-weights": w - rate * (g - lam * np.sign(w)),
        "penalty-without-learning-rate": w - rate * g - lam * np.sign(w),
        "penalty-without-loss": w - rate * lam * np.sign(w),
        "loss-without-penalty": w - rate * g,
        "l1-without-sign": w - rate * (g + lam),
        "l1-magnitude-for-sign": w - rate * (g + lam * np.abs(w)),
        "l1-sign-of-the-gradient": w - rate * (g + lam * np.sign(g)),
        "l1-shrunk-to-zero": soft_threshold(w - rate * g, rate * lam),
        "gradient-not-step": g + lam * np.sign(w),
        "climbs": w + rate * (g + lam * np.sign(w)),
    }
    # At a weight of zero every slope from -lam to lam is a subgradient.
    zero = w == 0
    own = answer.array
    if own.shape == w.shape and np.all(abs(own - expected)[zero] <= rate * lam + 1e-9):
        expected[zero] = own[zero]
    expect(answer).close(expected, misconceptions=wrong)


def soft_threshold(x, size):
    return np.sign(x) * np.maximum(abs(x) - size, 0)
