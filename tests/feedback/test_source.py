from __future__ import annotations

import re
import time
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from grader.feedback.source import highlighted, highlighted_lines
from tests.feedback.pages import Page


def spans(source: str) -> list[tuple[str, str]]:
    """Kind and text of every coloured piece of a source."""
    pieces = []
    for line in highlighted_lines(source):
        for span in line.split('<span class="')[1:]:
            kind, _, rest = span.partition('">')
            pieces.append((kind, unescape(re.sub("<[^>]+>", "", rest.partition("</span>")[0]))))
    return pieces


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(x):", [("k", "def"), ("nf", "f")]),
        ("class Net(nn.Module):", [("k", "class"), ("nf", "Net")]),
        ("x = 'a # b'  # c", [("s", "'a # b'"), ("c", "# c")]),
        ("x = r'\\' + y", [("s", "r'\\' + y")]),
        ("np.max(max(x))", [("nb", "max")]),
        ("lr = 1e-3 + 0x1F", [("m", "1e-3"), ("m", "0x1F")]),
        ("%matplotlib inline", [("magic", "%matplotlib inline")]),
        ("  !pip install torch", [("magic", "  !pip install torch")]),
        ("@torch.no_grad()", [("nd", "@torch.no_grad")]),
        ("a % b", []),
        ("definition = 1", [("m", "1")]),
        ('x = """one\ntwo"""', [("s", '"""one'), ("s", 'two"""')]),
        ("s = 'unclosed\nreturn", [("s", "'unclosed"), ("k", "return")]),
    ],
)
def test_what_a_reader_looks_for_is_coloured(source: str, expected: list[tuple[str, str]]) -> None:
    assert spans(source) == expected


@settings(deadline=None)
@given(st.text(st.sampled_from("ab_1.'\"\\#\n@%! \t<>&rfدس\u200c"), max_size=80))
def test_nothing_of_a_source_is_lost_or_taken_as_markup(source: str) -> None:
    lines = highlighted_lines(source)
    page = Page(f"<pre>{Markup(chr(10)).join(lines)}</pre>")
    assert {tag for tag, _ in page.elements} <= {"pre", "span", "bdi"}
    read = "".join(page._said)
    assert read.rstrip("\n") == source.rstrip("\n")


def test_two_persian_strings_beside_each_other_keep_their_places() -> None:
    line = highlighted_lines("print('سلام', 'دنیا')  # چاپ می‌کند")[0]
    assert '&#39;<bdi dir="auto">سلام</bdi>&#39;</span>, <span' in line
    assert '# <bdi dir="auto">چاپ می‌کند</bdi>' in line


def test_escapes_at_the_end_of_a_persian_string_stay_at_its_end() -> None:
    line = highlighted_lines("print('دقت مدل:\\n')")[0]
    assert '&#39;<bdi dir="auto">دقت مدل</bdi>:\\n&#39;' in line


def test_code_that_reads_otherwise_than_it_runs_is_shown_as_it_is() -> None:
    line = highlighted_lines("if role != 'user\u202e \u2066# admin\u2069 \u2066':")[0]
    assert "\u202e" not in line
    assert "U+202E" in line


def test_secrets_in_code_are_redacted() -> None:
    assert "Nowruz1403" not in highlighted_lines("password = 'Nowruz1403'")[0]


def test_the_line_of_the_error_stands_out() -> None:
    html = highlighted("a\nb\nc", marked={2}, mark_label="here")
    assert html.count('class="marked"') == 1
    assert '<span class="marked">b<span class="vh"> (here)</span>' in html


@pytest.mark.parametrize(
    "source", ['"' * 100_001, "'''" + "\\" * 100_001, "((((" * 50_000, "a." * 90_000]
)
def test_a_strange_source_takes_no_time(source: str) -> None:
    start = time.process_time()
    highlighted_lines(source)
    assert time.process_time() - start < 2
