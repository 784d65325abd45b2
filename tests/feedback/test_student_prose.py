from __future__ import annotations

import pytest

from grader.feedback.student_prose import student_prose
from tests.feedback.pages import Page


def test_markdown_and_formulas_are_set() -> None:
    html = student_prose("## پاسخ\nچون **گرادیان** محو می‌شود: $\\prod_k J_k$\n\n- یک\n- `dW`")
    assert "<strong>گرادیان</strong>" in html
    assert "<math" in html
    assert "<li>یک</li>" in html
    assert "<code>dW</code>" in html
    assert "<h2" not in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](http://evil.example/pixel.png)",
        "<http://evil.example>",
        "[x]: http://evil.example\n\n[x]",
        "$\\text{<script>alert(1)</script>}$",
        "`<b onclick=x>`",
        "```html\n<iframe src=x>\n```",
        "| <style>*{}</style> | b |\n|-|-|\n| <svg/onload=x> | 2 |",
    ],
)
def test_an_answer_brings_nothing_that_acts_or_leads_elsewhere(text: str) -> None:
    page = Page(f"<div>{student_prose(text)}</div>")
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "a", "iframe", "style", "svg", "b", "link"}
    attributes = {name for _, given in page.elements for name in given}
    assert not {name for name in attributes if name.startswith("on")} | (
        attributes & {"href", "src"}
    )


def test_deceptive_characters_and_secrets_are_dealt_with() -> None:
    html = student_prose("`x\u202e` \u202e password='Nowruz1403'")
    assert "\u202e" not in html
    assert html.count("U+202E") == 2
    assert "Nowruz1403" not in html
