"""Texts in two languages: completeness, Persian digits, isolation of code."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.course.texts import (
    FSI,
    LRI,
    PDI,
    isolated,
    latin_digits,
    number_text,
    persian_digits,
    text_complaints,
)


@pytest.mark.parametrize(
    ("latin", "persian"),
    [
        ("12.5", "۱۲٫۵"),
        ("3,145,728", "۳٬۱۴۵٬۷۲۸"),
        ("85%", "۸۵٪"),
        ("1403/10/11 23:59", "۱۴۰۳/۱۰/۱۱ ۲۳:۵۹"),
        ("پایان.", "پایان."),
        ("3. سپس", "۳. سپس"),
        ("1,2", "۱,۲"),
    ],
)
def test_numbers_in_prose_become_persian(latin, persian):
    assert persian_digits(latin) == persian


def test_persian_and_arabic_digits_become_latin():
    assert latin_digits("۱۴۰۳ and ١٤٠٣") == "1403 and 1403"


@given(st.text(alphabet="0123456789/: -x"))
def test_digits_survive_the_way_there_and_back(text):
    assert latin_digits(persian_digits(text)) == text


def complaints(fa, en, languages=("fa", "en")):
    text = {code: value for code, value in (("fa", fa), ("en", en)) if value is not None}
    return [(code, complaint.problem) for code, complaint in text_complaints(text, languages)]


def test_a_complete_text_has_no_complaints():
    assert complaints("گرادیان را بنویسید.", "Write the gradient.") == []


def test_missing_and_empty_translations_are_found():
    assert complaints("گرادیان", None) == [("en", "the translation is missing")]
    assert complaints(" \n", "gradient") == [("fa", "the text is empty")]


def test_a_long_copy_is_a_forgotten_translation():
    same = "Write the gradient with respect to W."
    assert complaints(same, same + " ") == [("en", "this is a copy of the fa text")]


@pytest.mark.parametrize(
    "same",
    [
        "Grad-CAM",
        "`conv2d_weight_gradient(X, dY, stride=1, padding=0)`",
        r"$$\alpha_k = \frac{1}{HW} \sum_{i,j} \frac{\partial y_c}{\partial A^k_{ij}}$$",
        "https://arxiv.org/abs/1610.02391-and-more",
    ],
)
def test_names_code_and_formulas_may_be_the_same_in_both_languages(same):
    assert complaints(same, same) == []


def test_only_the_languages_of_the_course_are_needed():
    assert complaints("گرادیان", None, ["fa"]) == []
    assert complaints("گرادیان", "gradient", ["fa"]) == []


def test_code_in_persian_is_isolated_and_in_english_left_alone():
    assert isolated("conv2d(X, dY)", "fa") == f"{LRI}conv2d(X, dY){PDI}"
    assert isolated("conv2d(X, dY)", "en") == "conv2d(X, dY)"


@pytest.mark.parametrize("language", ["fa", "en"])
def test_right_to_left_text_takes_its_own_direction(language):
    assert isolated("خطا: x", language) == f"{FSI}خطا: x{PDI}"


def test_a_students_text_cannot_break_out_of_its_isolate():
    hostile = "a\u2069\u202eb\n\x1b[31mc\u2028d\x00"
    assert isolated(hostile, "fa") == f"{LRI}ab [31mc d{PDI}"


def test_half_a_surrogate_pair_can_still_be_written():
    assert isolated("a\ud800b", "en").encode("utf-8") == "a\ufffdb".encode()


@given(st.text())
def test_an_isolate_is_one_line_with_one_end(text):
    shown = isolated(text, "fa")
    assert shown[0] in LRI + FSI
    assert shown[-1] == PDI
    assert not set("\n\r\u2028\u2029\x1b\u202e" + LRI + FSI + PDI) & set(shown[1:-1])
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("number", "en", "fa"),
    [
        (7, "7", "۷"),
        (3145728, "3,145,728", "۳٬۱۴۵٬۷۲۸"),
        (9999, "9999", "۹۹۹۹"),
        (2.0, "2", "۲"),
        (265.75, "265.75", "۲۶۵٫۷۵"),
        (1 / 3, "0.333333", "۰٫۳۳۳۳۳۳"),
        (123456.789, "123,456.79", "۱۲۳٬۴۵۶٫۷۹"),
        (9999.9999999, "10,000", "۱۰٬۰۰۰"),
        (-0.5, "-0.5", f"{LRI}-۰٫۵{PDI}"),
        (-0.0, "0", "۰"),
        (1.5e-9, "1.5×10⁻⁹", f"{LRI}۱٫۵×۱۰⁻⁹{PDI}"),
        ((16 * 10 * 11) ** 10, "2.8518×10³²", f"{LRI}۲٫۸۵۱۸×۱۰³²{PDI}"),
        (10**4000, "1×10⁴⁰⁰⁰", f"{LRI}۱×۱۰⁴⁰⁰⁰{PDI}"),
        (Decimal("0.10"), "0.1", "۰٫۱"),
        (Fraction(1, 4), "0.25", "۰٫۲۵"),
        (np.float32(0.5), "0.5", "۰٫۵"),
        (np.int64(12000), "12,000", "۱۲٬۰۰۰"),
        (float("nan"), "NaN", f"{LRI}NaN{PDI}"),
        (float("-inf"), "-∞", f"{LRI}-∞{PDI}"),
    ],
)
def test_a_number_reads_as_prose(number, en, fa):
    assert number_text(number, "en") == en
    assert number_text(number, "fa") == fa


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e14, max_value=1e14))
def test_a_shown_number_is_near_the_number(number):
    shown = number_text(number, "en")
    mantissa, _, power = shown.partition("×10")
    exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
    read = Decimal(mantissa.replace(",", "")).scaleb(exponent)
    assert abs(read - Decimal(number)) <= max(abs(Decimal(number)) * Decimal("1e-4"), 0)
