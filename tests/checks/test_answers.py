"""Typed answers: what students write is read exactly, or refused, never guessed."""

from __future__ import annotations

import contextlib
import math
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader.checks.answers import (
    Hedged,
    Unreadable,
    read_array,
    read_boolean,
    read_choice,
    read_integer,
    read_number,
    read_shape,
    read_text,
)
from grader.kernel.caged.wire import Description


class Sneaky(np.ndarray):
    """What a student could return to be equal to everything."""

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return True

    __hash__ = None  # type: ignore[assignment]


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "3145728",
        "3,145,728",
        "3.145.728",
        "3 145 728",
        "3\u2009145\u2009728",
        "3\u202f145\u202f728",
        "3\u00a0145\u00a0728",
        "3'145'728",
        "3’145’728",
        "3_145_728",
        "۳۱۴۵۷۲۸",
        "۳٬۱۴۵٬۷۲۸",
        "۳،۱۴۵،۷۲۸",
        "۳,۱۴۵,۷۲۸",
        "٣١٤٥٧٢٨",
        "٣٬١٤٥٬٧٢٨",
        "３１４５７２８",
        "\u200f۳٬۱۴۵٬۷۲۸\u200e",
        " 3,145,728. ",
        "«۳٬۱۴۵٬۷۲۸»",
        "**3145728**",
        "[3145728]",
        "(3145728)",
        "3,145,728 parameters",
        "۳٬۱۴۵٬۷۲۸ پارامتر",
        "۳٬۱۴۵٬۷۲۸ پارامتر است.",
        "about 3,145,728",
        "حدود ۳٬۱۴۵٬۷۲۸",
        "تقریباً ۳٬۱۴۵٬۷۲۸ تا",
        "~3145728",
        "≈ 3145728",
        "= 3145728",
        "trainable: 3,145,728",
        "N_lora = 3145728",
        "پاسخ: ۳٬۱۴۵٬۷۲۸",
        "24 * 4 * 2 * 1024 * 16 = 3,145,728",
        "3 * 2**20",
        "3×2^20",
        "3·2²⁰",
        r"$3 \times 2^{20}$",
        "3.145728M",
        "3.145728e6",
        "3145728.0",
    ],
)
def test_an_integer_is_read_however_it_is_written(text: str) -> None:
    assert read_integer(text) == 3_145_728
    assert read_number("106,954,752") == 106_954_752  # a sanity check of the same rules


@pytest.mark.parametrize(
    "text",
    [
        "2.85e32",
        "2.85E+32",
        "2.85×10^32",
        "2.85 * 10**32",
        "2.85 x 10^32",
        "2.85·10³²",
        "2.85 × 10³²",
        "۲٫۸۵×۱۰^۳۲",
        "۲٫۸۵ ضربدر ۱۰ به توان ۳۲",
        "2.85 times 10 to the power of 32",
        r"$2.85 \times 10^{32}$",
        r"\approx 2.85 \cdot 10^{32}",
        "(16*10*11)^10 = 2.85e32",
        "(16*10*11)^10",
    ],
)
def test_powers_of_ten_are_read(text: str) -> None:
    assert read_number(text) == pytest.approx(2.85e32, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.5", 0.5),
        ("۰٫۵", 0.5),
        ("۰.۵", 0.5),
        ("۰,۵", 0.5),
        ("۰/۵", 0.5),
        ("۳/۰۵", 3.05),
        ("٠٫٥", 0.5),
        (".5", 0.5),
        ("٫۵", 0.5),
        ("1/2", 0.5),
        ("½", 0.5),
        ("-½", -0.5),
        (r"\frac{1}{2}", 0.5),
        (r"$\frac{15000}{450}$", 100 / 3),
        ("15000/450 = 33.3", 33.3),
        ("15000 ÷ 450", 100 / 3),
        ("0,234", 0.234),
        ("1,23", 1.23),
        ("۱٫۲۳۴", 1.234),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1 234,5", 1234.5),
        ("1٬234٫5", 1234.5),
        ("12 345.678", 12345.678),
        ("-3", -3),
        ("−3", -3),
        ("–3", -3),
        ("- 3", -3),
        ("+3", 3),
        ("−۰٫۳", -0.3),
        ("(-3)", -3),
        ("-2^2", -4),
        ("2e-5", 2e-5),
        ("10^-3", 1e-3),
        ("10⁻³", 1e-3),
        ("5.", 5),
        ("33x", 33),
        ("33×", 33),
        ("×33", 33),
        ("33 times", 33),
        ("۳۳ برابر", 33),
        ("33.3 X", 33.3),
        ("3.1M", 3.1e6),
        ("3.1 million", 3.1e6),
        ("3.1 میلیون", 3.1e6),
        ("۳٫۱ ملیون پارامتر", 3.1e6),
        ("25 هزار", 25_000),
        ("25K", 25_000),
        ("25k params", 25_000),
        ("1.2B", 1.2e9),
        ("۱٫۲ میلیارد", 1.2e9),
        ("3M", 3_000_000),
        ("85%", 0.85),
        ("85 %", 0.85),
        ("۸۵٪", 0.85),
        ("٪۸۵", 0.85),
        ("85 percent", 0.85),
        ("۸۵ درصد", 0.85),
        ("0.5%", 0.005),
        ("3", 3),
        ("three", 3),
        ("سه", 3),
        ("rank = 3", 3),
        ("رتبه: ۳", 3),
        ("1:1", 1),
        ("2*d*r = 32,768", 32_768),
        ("params = 2×d×r = 32,768", 32_768),
        ("15000/450 => 33.3", 33.3),
        ("32 times fewer", 32),
        ("۳۳٫۳ برابر کم‌تر", 33.3),
        ("3,1416", 3.1416),
        ("∞", math.inf),
        ("-inf", -math.inf),
        ("بی‌نهایت", math.inf),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, number: float) -> None:
    assert read_number(text) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "none",
        "I do not know",
        "5,6,7",
        "[5,6]",
        "(5, 6)",
        "5 6",
        "1,23,456",
        "1,00,000",
        "12,34",  # not for an integer
        "1.2.3",
        "0,123,456",
        "1234,567,890",
        "3x3",
        "3×3",
        "3 by 3",
        "3-5",
        "3–5",
        "±3",
        "--3",
        "5-",
        "۱/۲",
        "۱۴۰۳/۱۰/۱۱",
        "1/0",
        "2**",
        "2^2^2",
        "((((3",
        "3)",
        "12:30",
        "at least 3",
        "less than 5",
        "not 3",
        "3.1m",
        "3b",
        "7 dozen",
        "3 MB",
        "1 1/2",
        "1½",
        "10₂",
        "5 because the rank = 3",
        "Part 2: 5",
        "3 = n",
        "1 = 2",
        "x = 5, y = 6",
        "r=16 d=1024",
        "25 -> 30",
        ">= 5",
        "x <= 5",
        "x != 5",
        "≤5",
        "5!",
        "3,0",
        "1,0000",
        "3 145,728",
        "5 fewer",
        "5% million",
        "3 million %",
        "۱٫۲۳۴",
        "1e-400",
        "3\n145",
        "0x10",
        "1e99999",
        "10^999999999",
        "9^(9^9)",
        "__import__('os').system('true')",
        "5" * 301,
        "3.000",
        "12.000",
    ],
)
def test_what_is_no_single_integer_is_refused(text: str) -> None:
    with pytest.raises((Unreadable, Hedged)):
        read_integer(text)


@pytest.mark.parametrize("text", ["5 6", "3x3", "3-5", "۱/۲", "[5,6]", "1 = 2", "3.1m", "1 1/2"])
def test_what_is_no_single_number_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read_number(text)


def test_a_separator_before_three_digits_is_read_by_what_is_asked() -> None:
    assert read_number("1,234") == 1234
    assert read_number("1.234") == 1.234
    assert read_integer("1,234") == 1234
    assert read_integer("1.234") == 1234
    assert read_integer("۱.۲۳۴") == 1234
    assert read_number("3.000") == 3.0
    with pytest.raises(Unreadable) as refusal:
        read_integer("3.000")
    assert refusal.value.reason == "ambiguous"


def test_a_point_never_groups_thousands_beside_a_scale_or_power() -> None:
    assert read_integer("3.145M") == 3_145_000
    assert read_integer("3.145 × 10^6") == 3_145_000
    assert read_integer("3.145e6") == 3_145_000
    assert read_integer("3.145 هزار") == 3145


def test_integers_stay_exact_at_any_size() -> None:
    assert read_integer("9,007,199,254,740,993") == 2**53 + 1
    assert read_number("2^64") == 2**64
    assert isinstance(read_number("2^64"), int)
    assert isinstance(read_number("3.0"), float)
    assert read_integer(3.0) == 3
    assert read_integer(np.int64(2**53 + 1)) == 2**53 + 1
    with pytest.raises(Unreadable, match="whole"):
        read_integer("3.5")
    with pytest.raises(Unreadable, match="whole"):
        read_integer(3.5)


@pytest.mark.parametrize(
    ("answer", "fraction"),
    [
        ("85%", 0.85),
        ("85", 0.85),
        ("0.85", 0.85),
        ("0.85%", 0.85),
        ("۸۵٫۶٪", 0.856),
        ("1%", 0.01),
        ("1.5%", 0.015),
        (85.6, 0.856),
        (0.85, 0.85),
        ("1", 1.0),
        ("100%", 1.0),
        ("0", 0.0),
    ],
)
def test_an_accuracy_becomes_a_fraction(answer: object, fraction: float) -> None:
    assert read_number(answer, accuracy=True) == pytest.approx(fraction, rel=1e-12)


@pytest.mark.parametrize("answer", ["150%", "-3", 101.0, "1e9"])
def test_what_cannot_be_an_accuracy_is_refused(answer: object) -> None:
    with pytest.raises(Unreadable):
        read_number(answer, accuracy=True)


def test_the_author_may_allow_other_units() -> None:
    with pytest.raises(Unreadable):
        read_number("3.5 mm")
    assert read_number("3.5 mm", units=["mm"]) == 3.5
    assert read_number("450 ساعت کار ماشین", units=["ساعت کار ماشین"]) == 450


def test_values_are_numbers_without_being_text() -> None:
    assert read_number(3) == 3
    assert read_number(np.float32(0.5)) == 0.5
    assert read_number(np.array([[265.75]])) == 265.75
    for value in (True, None, [3], np.array([1, 2]), 3j, np.array("3"), {}, object()):
        with pytest.raises(Unreadable):
            read_number(value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3 or 4", ("3", "4")),
        ("۳ یا ۴", ("۳", "۴")),
        ("3, maybe 4", ("3", "4")),
        ("3?", ("3",)),
        ("شاید ۳؟", ("۳",)),
    ],
)
def test_two_numbers_are_hedged(text: str, found: tuple[str, ...]) -> None:
    with pytest.raises(Hedged) as hedged:
        read_number(text)
    assert hedged.value.found == found


def test_a_refusal_names_the_accepted_forms() -> None:
    with pytest.raises(Unreadable) as refusal:
        read_integer("many, " * 100)
    assert refusal.value.kind == "integer"
    assert "۳٬۱۴۵٬۷۲۸" in refusal.value.accepted
    assert len(refusal.value.answer) == 80
    assert "3,145,728" in str(refusal.value)
    for form in refusal.value.accepted:
        assert read_integer(form) > 0


# --- choices ----------------------------------------------------------------------------------

PENALTIES = {
    "L1": ["lasso", "ال۱", "نرم یک", "نرم اول"],
    "L2": ["ridge", "ال۲", "نرم دوم", "weight decay"],
    "none": ["no penalty", "هیچ", "هیچ‌کدام", "بدون منظم‌سازی"],
}


@pytest.mark.parametrize(
    "text",
    [
        "L2",
        "l2",
        " L 2 ",
        "L-2",
        "L_2",
        "L²",
        "ℓ2",
        "L۲",
        "Ridge",
        "ridge regression",
        "ال۲",
        "ال ۲",
        "نرم دوم",
        "نرم‌دوم",
        "نرمِ دوم",
        "نرم  دوم",
        "Weight-decay",
        "The L2 penalty, because the weights are spread evenly and none is zero",
        "L2, because L1 would have left zeros",
        "As all weights are alike, ridge",
        "L2: the weights are equal",
        "L2 چون وزن‌ها برابر نیستند",
        "پاسخ L2 است",
        "نرم دوم است زیرا هیچ وزنی صفر نشده",
    ],
)
def test_a_choice_is_read_in_either_language(text: str) -> None:
    assert read_choice(text, PENALTIES) == "L2"


def test_arabic_letters_are_persian_letters() -> None:
    assert read_choice("كم", {"low": ["کم"], "high": ["زیاد"]}) == "low"
    assert read_choice("زياد", {"low": ["کم"], "high": ["زیاد"]}) == "high"
    assert read_choice("هیچ کدام", PENALTIES) == "none"
    assert read_choice("هيچ‌كدام", PENALTIES) == "none"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("L1, or perhaps none", ("L1", "none")),
        ("L1 or L2", ("L1", "L2")),
        ("L1/L2", ("L1", "L2")),
        ("ال۱ یا ال۲", ("L1", "L2")),
        ("شاید نرم دوم", ("L2",)),
        ("maybe ridge", ("L2",)),
        ("L2?", ("L2",)),
        ("L2؟", ("L2",)),
        ("L1 (not sure)", ("L1",)),
        ("L1. Not sure though.", ("L1",)),
        ("L1. Or maybe something else", ("L1",)),
        ("L1 چون تنک است. البته مطمئن نیستم", ("L1",)),
        ("L1, not L2", ("L1", "L2")),
        ("L1. L2 because it is dense", ("L1", "L2")),
        ("L1 because one weight is zero, or perhaps none", ("L1", "none")),
        ("Since L1 gives zeros, L2", ("L1", "L2")),
        ("It depends; L2 if the features are correlated", ("L2",)),
    ],
)
def test_a_hedged_choice_is_never_guessed(text: str, found: tuple[str, ...]) -> None:
    with pytest.raises(Hedged) as hedged:
        read_choice(text, PENALTIES)
    assert hedged.value.found == found


@pytest.mark.parametrize(
    "text",
    ["", "elastic net", "L3", "L22", "not L2", "L2 نیست", "anything except ridge", "L1L2", "؟"],
)
def test_a_choice_that_names_no_option_is_refused(text: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read_choice(text, PENALTIES)
    assert refusal.value.accepted == ("L1", "L2", "none")


def test_an_option_may_itself_deny_or_waver() -> None:
    options = {
        "none": ["no penalty", "بدون جریمه"],
        "depends": ["it depends", "بستگی دارد"],
        "L1": [],
    }
    assert read_choice("no penalty", options) == "none"
    assert read_choice("It is no penalty, because the weights are large", options) == "none"
    assert read_choice("پاسخ: بدون جریمه.", options) == "none"
    assert read_choice("It depends on the data.", options) == "depends"
    assert read_choice("به داده بستگی دارد", options) == "depends"


def test_the_longest_name_wins() -> None:
    options = {"L1": [], "L2": [], "elastic": ["L1+L2", "elastic net"]}
    assert read_choice("L1 + L2", options) == "elastic"
    assert read_choice("Elastic net", options) == "elastic"


def test_letters_of_a_list_must_stand_alone() -> None:
    options = {"a": ["الف"], "b": ["ب"]}
    assert read_choice("a", options) == "a"
    assert read_choice("(B)", options) == "b"
    assert read_choice("option a)", options) == "a"
    assert read_choice("گزینه ب", options) == "b"
    with pytest.raises(Unreadable):
        read_choice("a large penalty", options)


def test_a_plain_list_of_options_is_enough() -> None:
    assert read_choice("Increases.", ["increases", "decreases"]) == "increases"
    assert read_choice(3, ["3", "5"]) == "3"
    assert read_choice(True, ["true", "false"]) == "true"


def test_an_author_who_names_two_options_alike_is_told() -> None:
    with pytest.raises(ValueError, match="another option"):
        read_choice("x", {"L1": ["ridge"], "L2": ["Ridge"]})
    with pytest.raises(ValueError, match="needs options"):
        read_choice("x", {})


# --- truth values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        True,
        np.True_,
        1,
        "True",
        "true.",
        "T",
        "yes",
        "Yes, because the penalty can underfit",
        "درست",
        "صحیح است",
        "بله",
        "آری",
        "✓",
        "نادرست نیست",
    ],
)
def test_true_is_read(answer: object) -> None:
    assert read_boolean(answer) is True


@pytest.mark.parametrize(
    "answer",
    [
        False,
        np.array([False]),
        0,
        "False",
        "F",
        "no",
        "No.",
        "not true",
        "It's not true.",
        "نادرست",
        "غلط است",
        "غلط؛ جریمهٔ بزرگ‌تر مدل را ساده می‌کند",
        "نه",
        "خیر",
        "صحیح نیست",
        "درست نمی‌باشد",
        "✗",
    ],
)
def test_false_is_read(answer: object) -> None:
    assert read_boolean(answer) is False


@pytest.mark.parametrize(
    "answer",
    [
        "true or false",
        "True, but false for small data",
        "شاید درست",
        "perhaps",
        "",
        2,
        0.5,
        None,
        [],
    ],
)
def test_what_is_neither_true_nor_false_is_refused(answer: object) -> None:
    with pytest.raises((Unreadable, Hedged)):
        read_boolean(answer)


# --- arrays -----------------------------------------------------------------------------------

DW = np.array([[-2, 0, 2], [0, 3, -2], [2, -1, 0]])


@pytest.mark.parametrize(
    "text",
    [
        "[[-2,0,2],[0,3,-2],[2,-1,0]]",
        "[[-2, 0, 2], [0, 3, -2], [2, -1, 0]]",
        "((-2, 0, 2), (0, 3, -2), (2, -1, 0))",
        "[[-2  0  2]\n [ 0  3 -2]\n [ 2 -1  0]]",
        "[[-2. 0. 2.]\n [0. 3. -2.]\n [2. -1. 0.]]",
        "array([[-2,  0,  2],\n       [ 0,  3, -2],\n       [ 2, -1,  0]])",
        "array([[-2.,  0.,  2.],\n [ 0.,  3., -2.],\n [ 2., -1.,  0.]], dtype=float32)",
        "np.array([[-2,0,2],[0,3,-2],[2,-1,0]])",
        "tensor([[-2.,  0.,  2.],\n        [ 0.,  3., -2.],\n        [ 2., -1.,  0.]])",
        "tensor([[-2,0,2],[0,3,-2],[2,-1,0]], device='cuda:0', grad_fn=<MulBackward0>)",
        "tensor([[-2,0,2],[0,3,-2],[2,-1,0]], dtype=torch.float64, requires_grad=True)",
        "dW = [[-2,0,2],[0,3,-2],[2,-1,0]]",
        "dL/dW: [[-2,0,2],[0,3,-2],[2,-1,0]]",
        "-2 0 2\n0 3 -2\n2 -1 0",
        "-2, 0, 2\n0, 3, -2\n2, -1, 0\n",
        "-2,0,2\n0,3,-2\n2,-1,0",
        "-2\t0\t2\n0\t3\t-2\n2\t-1\t0",
        "| -2 | 0 | 2 |\n|---|---|---|\n| 0 | 3 | -2 |\n| 2 | -1 | 0 |",
        "[-2 0 2; 0 3 -2; 2 -1 0]",
        "-2 0 2; 0 3 -2; 2 -1 0",
        "[[−2،۰،۲]،[۰،۳،−۲]،[۲،−۱،۰]]",
        "[[-۲, ۰, ۲], [۰, ۳, -۲], [۲, -۱, ۰]]",
        r"\begin{bmatrix} -2 & 0 & 2 \\ 0 & 3 & -2 \\ 2 & -1 & 0 \end{bmatrix}",
        r"$$dW = \begin{pmatrix}-2&0&2\\0&3&-2\\2&-1&0\\\end{pmatrix}$$",
        r"\left[\begin{array}{ccc} -2 & 0 & 2 \\ 0 & 3 & -2 \\ 2 & -1 & 0 \end{array}\right]",
        "{{-2,0,2},{0,3,-2},{2,-1,0}}",
    ],
)
def test_a_matrix_is_read_however_it_is_written(text: str) -> None:
    array = read_array(text)
    assert array.shape == (3, 3)
    np.testing.assert_array_equal(array, DW)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("[0.5, 1/4, 50%, ۰٫۵, 1e-3]", np.array([0.5, 0.25, 0.5, 0.5, 1e-3])),
        ("1 2 3", np.array([1, 2, 3])),
        ("1\n2\n3", np.array([1, 2, 3])),
        ("[[1], [2]]", np.array([[1], [2]])),
        ("5", np.array(5)),
        ("[]", np.zeros(0)),
        ("tensor(5.)", np.array(5.0)),
        ("[np.float64(2.5), np.int64(3)]", np.array([2.5, 3])),
        ("[tensor(1.), tensor(2.)]", np.array([1.0, 2.0])),
        ("[1,\n 2,\n 3]", np.array([1, 2, 3])),
        ("tensor(0.25, grad_fn=<NllLossBackward0>)", np.array(0.25)),
        (str(np.arange(100, 160)), np.arange(100, 160)),  # numpy wraps long rows
        ("[nan, inf, -inf]", np.array([np.nan, np.inf, -np.inf])),
        ("[True, False]", np.array([True, False])),
        ("[12٬345, 6_789]", np.array([12345, 6789])),
        ([[1, 2.5], ["۳٫۵", np.float32(4)]], np.array([[1, 2.5], [3.5, 4]])),
        ([np.array([1, 2]), (3, 4)], np.array([[1, 2], [3, 4]])),
        (3.5, np.array(3.5)),
        ([2**70], np.array([2.0**70])),
        (np.array([[1, 2]]).view(Sneaky), np.array([[1, 2]])),
    ],
)
def test_an_array_is_read_from_values_and_text(answer: object, expected: np.ndarray) -> None:
    array = read_array(answer)
    assert type(array) is np.ndarray
    assert array.shape == expected.shape
    assert array.dtype.kind == expected.dtype.kind
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("[[1,2],[3]]", "ragged"),
        ("[1, [2]]", None),
        ("1 2\n3", "ragged"),
        ("[0. 1. ... 8. 9.]", "shortened"),
        ("0,5 0,6", "ambiguous"),
        ("[0,5 0,6]", "ambiguous"),
        ("[0,5, 0,6]", "ambiguous"),
        ("[1,,2]", "form"),
        ("[۱/۲, ۱]", "ambiguous"),
        ("[1 2\n3 4]", "ambiguous"),
        ("[1,234, 5]", "ambiguous"),
        ("1 000 2 000", "ambiguous"),
        ("[1-2]", "form"),
        ("[1 - 2]", "form"),
        ("[1, 2", "form"),
        ("1, 2]", "form"),
        ("[1, 2] [3, 4]", "form"),
        ("[1, 2] or [2, 1]", "form"),
        ("[a, b]", "form"),
        ("the matrix", "form"),
        ("[" * 1000, "form"),
        ("array([1, 2], dtype=float32", "form"),
        ("tensor([1, 2], dtype=__import__('os'))", "form"),
        ("", "form"),
        (None, "type"),
        ({"a": 1}, "type"),
        ([1, None], "type"),
        (np.array(["a"]), "type"),
        (np.array([object()]), "type"),
        ("1 " * 150_000, "length"),
        ([10**400, 0.5], "range"),
    ],
)
def test_what_is_no_array_is_refused(answer: object, reason: str | None) -> None:
    with pytest.raises(Unreadable) as refusal:
        read_array(answer)
    if reason:
        assert refusal.value.reason == reason


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, width=32), min_size=2, max_size=2),
        min_size=2,
        max_size=4,
    )
)
def test_what_python_and_numpy_print_is_read_back(rows: list[list[float]]) -> None:
    matrix = np.array(rows)
    np.testing.assert_array_equal(read_array(str(rows)), matrix)
    with np.printoptions(floatmode="unique", threshold=1000):
        np.testing.assert_array_equal(read_array(str(matrix)), matrix)
        np.testing.assert_array_equal(read_array(repr(matrix)), matrix)


# --- shapes and prose -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        (3, 5),
        [3, 5],
        np.array([3, 5]),
        "(3, 5)",
        "3, 5",
        "3x5",
        "3 X 5",
        "3×5",
        "۳×۵",
        "۳ در ۵",
        "3 by 5",
        "3*5",
        "[3, 5]",
        "[۳، ۵]",
        "torch.Size([3, 5])",
        "shape = (3, 5)",
        "شکل: (۳، ۵)",
    ],
)
def test_a_shape_is_read(answer: object) -> None:
    assert read_shape(answer) == (3, 5)


def test_shapes_of_vectors_and_scalars_are_read() -> None:
    assert read_shape("(5,)") == (5,)
    assert read_shape(5) == (5,)
    assert read_shape("()") == ()
    assert read_shape(()) == ()
    assert read_shape("torch.Size([])") == ()


@pytest.mark.parametrize(
    "answer", ["", "(N, 10)", "3.5", "-3", "3,,5", (3, -1), (3.5,), None, [[3]], "3 5 or 5 3", True]
)
def test_what_is_no_shape_is_refused(answer: object) -> None:
    with pytest.raises(Unreadable):
        read_shape(answer)


def test_prose_keeps_its_half_spaces_and_loses_direction_marks() -> None:
    assert read_text("\u200fمی\u200cدانیم\r\nکه\r\n") == "می\u200cدانیم\nکه"
    assert read_text(3) == "3"
    for answer in ("", " \u200e ", None, ["x"], "x" * 20_001):
        with pytest.raises(Unreadable):
            read_text(answer)


# --- any text ---------------------------------------------------------------------------------

ALPHABET = "0123456789۰۱۲٣٤.,٫٬،/\\-−+*×^%٪()[]{}|&;؛ \n\t=:≈~eExXkMB½²⁻₂'_\u200c\u200fLlنرمدوم?؟∞"
anything = st.one_of(
    st.text(max_size=400),
    st.text(alphabet=ALPHABET, max_size=60),
    st.lists(
        st.sampled_from(
            "1 2.5 ۳ , ^ ** ( ) [ ] tensor( array( L2 or یا نه not \\frac{ } \\begin{bmatrix} "
            "\\end{bmatrix} & \\\\ e5 % × = torch.Size( true درست نیست - ; nan".split()
        )
        | st.sampled_from(" \n"),
        max_size=25,
    ).map("".join),
)


@settings(deadline=None)
@given(anything)
@example("((" * 150)
@example("-" * 300)
@example("9^9999")
@example("1e400")
@example("٠/٠")
@example("²")
@example("½½")
@example("\ud800")
@example("[" * 5000)
@example("\\frac{1}{0}")
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    for read in (read_number, read_integer, read_boolean, read_array, read_shape, read_text):
        with contextlib.suppress(Unreadable, Hedged):
            read(text)
    for options in (PENALTIES, ["a", "b", "1"]):
        with contextlib.suppress(Unreadable, Hedged):
            assert read_choice(text, options) in options


@settings(deadline=None)
@given(st.integers())
def test_every_integer_is_read_back(number: int) -> None:
    assert read_integer(str(number)) == number
    assert read_number(f"{number:,}") == number
    assert read_integer(f"{number:_}") == number


@settings(deadline=None)
@given(st.floats(allow_nan=False))
def test_every_float_is_read_back(number: float) -> None:
    assert read_number(repr(number)) == number


@pytest.mark.parametrize(
    "text",
    [
        " " * 199_000,
        "[" + "1," * 90_000,
        "tensor(" + " " * 190_000 + ")",
        "\\begin{matrix}" * 10_000,
        "dtype=" * 30_000 + ")",
        "(" * 100_000,
        "1 | x" * 40_000,
        "-" * 199_000 + "x",
        "[1" + "\n" * 199_000 + "x]",
        "1" * 199_000 + "x",
    ],
)
def test_hostile_text_is_refused_in_little_time(text: str) -> None:
    begin = time.process_time()
    for read in (read_number, read_boolean, read_array, read_shape):
        with pytest.raises(Unreadable):
            read(text)
    with pytest.raises(Unreadable):
        read_choice(text[:20_000], PENALTIES)
    assert time.process_time() - begin < 5


def test_what_has_no_place_on_the_wire_is_named_by_its_own_type():
    with pytest.raises(Unreadable) as refused:
        read_array(Description("__main__.Table", "", "object"))
    assert refused.value.answer == "<__main__.Table>"
