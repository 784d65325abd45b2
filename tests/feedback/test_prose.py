from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.feedback.prose import formula, set_inline
from tests.feedback.pages import Page


def test_code_and_names_stand_left_to_right_in_persian() -> None:
    html = set_inline("تابع `dW[0, 0]` با dL/dY و conv2d(X, W) فرق دارد.", isolate=True)
    assert '<code dir="ltr" class="short">dW[0, 0]</code>' in html
    assert '<bdi dir="ltr">dL/dY</bdi>' in html
    assert '<bdi dir="ltr">conv2d(X, W)</bdi>' in html


def test_a_file_ending_keeps_its_dot() -> None:
    assert '<bdi dir="ltr">.ipynb</bdi>' in set_inline("فایل .ipynb را بفرستید", isolate=True)


def test_punctuation_after_a_latin_word_belongs_to_the_persian_sentence() -> None:
    html = set_inline("این همان ReLU است: softmax.", isolate=True)
    assert '<bdi dir="ltr">ReLU</bdi>' in html
    assert html.endswith('<bdi dir="ltr">softmax</bdi>.')


def test_english_prose_needs_no_isolation() -> None:
    assert set_inline("Look at dW & Y.", isolate=False) == "Look at dW &amp; Y."


def test_formulas_become_mathml() -> None:
    html = set_inline(r"واریانس $\frac{2}{n_{in}}$ است", isolate=True)
    assert "<mfrac><mrow><mn>2</mn></mrow>" in html
    assert "$" not in html


def test_prices_are_no_formulas() -> None:
    assert set_inline("from $5 to $6", isolate=False) == "from $5 to $6"


def test_unicode_isolates_become_elements() -> None:
    html = set_inline("فایل \u2066HW10 (1).ipynb\u2069 و «\u2068نام\u2069»", isolate=True)
    assert '<bdi dir="ltr">HW10 (1).ipynb</bdi>' in html
    assert '<bdi dir="auto">نام</bdi>' in html
    assert "\u2066" not in html


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"<img src=x onerror=alert(1)>",
        r"\class{evil}{x}",
        r"\frac{",
        r"\mathrm{\"onclick=\"}",
        "&lt;script&gt;",
    ],
)
def test_a_formula_can_smuggle_nothing_in(latex: str) -> None:
    page = Page(f"<p>{formula(latex)}</p>")
    allowed = {"p", "code", "math", "mrow", "mi", "mo", "mn", "mtext", "mfrac", "mspace", "mstyle"}
    assert {tag for tag, _ in page.elements} <= allowed
    assert not {"href", "onerror", "onclick"} & {a for _, given in page.elements for a in given}


def test_a_broken_formula_is_shown_as_it_was_written() -> None:
    assert formula(r"\frac{") == r'<code dir="ltr">\frac{</code>'


def test_a_secret_quoted_in_a_message_is_redacted() -> None:
    html = set_inline("login failed: token = 'ghp_" + "a1" * 18 + "'", isolate=False)
    assert "a1a1" not in html


@settings(deadline=None)
@given(st.text(st.sampled_from("<>&'\"`$\\{}()[]\u202e\u2066\u2069 abدسـ/؛\n"), max_size=60))
def test_whatever_a_sentence_holds_it_is_escaped(sentence: str) -> None:
    page = Page(f"<p>{set_inline(sentence, isolate=True)}</p>")
    known = {"p", "code", "bdi", "span", "math", "mrow", "mi", "mo", "mn", "mtext", "mspace"}
    known |= {"msub", "msup", "mtable", "mtr", "mtd"}
    assert {tag for tag, _ in page.elements} <= known
    assert "\u202e" not in page.html
