from __future__ import annotations

from base64 import b64encode

import pytest

from grader.feedback.untrusted import image_source, reveal, terminal_output, visible
from grader.report import CellOutput

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def image(data: bytes, mime: str) -> CellOutput:
    return CellOutput(kind="image", data=b64encode(data).decode(), mime=mime)


def test_markup_in_an_output_is_text() -> None:
    assert terminal_output("<img src=x onerror=alert(1)>") == "&lt;img src=x onerror=alert(1)&gt;"


def test_colours_become_classes() -> None:
    html = terminal_output("\x1b[1;31mValueError\x1b[0m: no")
    assert html == '<span class="ansi-bold ansi-red">ValueError</span>: no'


def test_a_colour_lasts_over_the_end_of_a_line() -> None:
    html = terminal_output("\x1b[31ma\nb\x1b[39mc")
    assert html == '<span class="ansi-red">a</span>\n<span class="ansi-red">b</span>c'


def test_colours_of_256_and_24_bits_do_not_leak_into_the_eight() -> None:
    assert terminal_output("\x1b[38;5;31mx\x1b[0m") == "x"
    assert terminal_output("\x1b[38;2;10;31;32mx\x1b[0m") == "x"


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b]0;title\x07",
        "\x1b]8;;http://evil\x1b\\",
        "\x1b[2J",
        "\x1b[10;5H",
        "\x1bP1$r\x1b\\",
        "\x1b(B",
    ],
)
def test_other_sequences_vanish(sequence: str) -> None:
    assert terminal_output(f"a{sequence}b") == "ab"
    assert visible(f"a{sequence}b") == "ab"


def test_a_progress_bar_keeps_its_last_state() -> None:
    assert terminal_output("\r 50%\r100% done\nnext") == "100% done\nnext"
    assert terminal_output("windows\r\nlines") == "windows\nlines"


def test_characters_that_deceive_are_shown_by_name() -> None:
    html = reveal("access = 'user\u202e \u2066# admin\u2069'")
    assert "\u202e" not in html
    assert 'title="right-to-left override">U+202E</span>' in html
    assert "U+2066" in html
    assert visible("a\u202eb") == "a<U+202E>b"


def test_towers_of_marks_are_cut_and_counted() -> None:
    html = reveal("V" + "\u0336\u0489\u030d" * 100)
    assert html.startswith("V\u0336\u0489\u030d\u0336<span")
    assert html.endswith('title="combining marks">+296</span>')
    assert visible("V" + "\u0336" * 9) == "V" + "\u0336" * 4 + "<+5>"


@pytest.mark.parametrize("text", ["مُدَرِّسٌ", "é̂", "ที่", "x̄ ± σ̂²"])
def test_marks_that_a_script_needs_stay(text: str) -> None:
    assert reveal(text) == text
    assert visible(text) == text


def test_the_half_space_of_persian_stays() -> None:
    assert reveal("می‌شود") == "می‌شود"


def test_a_persian_line_reads_from_right_to_left_and_a_matrix_does_not() -> None:
    html = terminal_output("دقت:\n[[ 0. -1.]\nmodel دقت")
    assert html == '<bdi dir="rtl">دقت:</bdi>\n[[ 0. -1.]\nmodel دقت'


def test_png_jpeg_and_svg_are_shown_as_pictures() -> None:
    assert (image_source(image(PNG, "image/png")) or "").startswith("data:image/png;base64,iVBOR")
    assert image_source(image(b"\xff\xd8\xff\xe0", "image/jpeg")) is not None
    source = image_source(image(SVG, "image/svg+xml")) or ""
    assert source.startswith("data:image/svg+xml;base64,")
    assert image_source(CellOutput(kind="image", data=SVG.decode(), mime="image/svg+xml")) == source


@pytest.mark.parametrize(
    "output",
    [
        image(b"GIF89a", "image/gif"),
        image(b"<html>", "image/png"),
        image(b"<script>alert(1)</script>", "image/svg+xml"),
        image(SVG, "text/html"),
        image(PNG, 'image/png" onerror="alert(1)'),
        CellOutput(kind="image", data="not base64!", mime="image/png"),
        image(PNG + bytes(5 * 1024 * 1024), "image/png"),
    ],
)
def test_what_is_no_safe_picture_is_not_shown(output: CellOutput) -> None:
    assert image_source(output) is None
