"""The report card: what it says, that it holds together, and that nothing in it can act."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from grader.feedback import Occasion, UnknownLanguage, render_card, render_gallery
from grader.feedback.gallery import CELLS, shown, specimen, text
from grader.feedback.language import Language
from grader.report import CellOutput, CellResult, Notice, Report, from_json, to_json
from tests.feedback.pages import Page
from tests.feedback.reports import homework, one_check

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`${{7*7}}</style></title>"


# ---------------------------------------------------------------- what it says


def test_the_score_is_told_with_all_that_it_is_made_of(persian: Page, english: Page) -> None:
    assert "18.1 of 58" in english.text
    assert "Decided 15.6" in english.text
    assert "To be marked up to 5 more" in english.text
    assert "Bonus +7" in english.text
    assert "Late penalty −4.5" in english.text
    assert "۱۸٫۱ از ۵۸" in persian.text
    assert "جریمهٔ دیرکرد −۴٫۵" in persian.text


def test_one_sentence_says_what_to_fix_first(persian: Page, english: Page) -> None:
    assert (
        "Fix this first Start with Practical 2, “Structure”: 6 points are waiting there."
        in english.text
    )
    assert "از عملی ۲، «ساختار» شروع کنید؛ ۶ امتیاز در همین بخش است." in persian.text


@pytest.mark.parametrize("verdict", ["passed", "partial", "failed", "missing", "pending", "error"])
def test_every_verdict_is_a_word_and_a_shape_of_its_own(english: Page, verdict: str) -> None:
    assert Language("en").plain(f"verdict.{verdict}") in english.text
    assert english.all("use", href=f"#v-{verdict}")
    symbols = re.findall(r'<symbol id="(v-\w+)".*?</symbol>', english.html)
    assert f"v-{verdict}" in symbols


def test_a_wrong_matrix_is_shown_beside_the_right_one_with_its_difference(english: Page) -> None:
    assert "Asked conv2d_weight_gradient(X, dY)" in english.text
    assert "Your answer float64 (3, 3)" in english.text
    assert "Expected float64 (3, 3)" in english.text
    assert "6 of 9 entries differ" in english.text
    assert "first difference at [0, 0]: 0 instead of −2" in english.text
    labels = [given["aria-label"] for given in english.all("svg", class_="heat")]
    assert "Map of the size of the difference, 3 by 3; the worst entry is at [0, 0]" in labels
    assert len(english.all("td", class_="wrong worst")) == 2


def test_the_misconception_the_hint_and_the_cell_stand_beside_the_verdict(english: Page) -> None:
    said = english.text
    start = said.index("What probably happened dW has all the right numbers")
    assert "Hint Write" in said[start : start + 700]
    assert "See cell 5 found under another name, grad_W" in said


def test_a_shape_that_differs_is_drawn(english: Page) -> None:
    labels = [given["aria-label"] for given in english.all("svg", class_="shape")]
    assert labels == ["Your answer: (8, 12, 64)", "Expected: (12, 8, 64)"]


def test_an_exception_names_the_cell_and_the_line_and_shows_it(english: Page) -> None:
    said = english.text
    assert "ValueError: operands could not be broadcast together with shapes (3,2) (3,3)" in said
    assert (
        "cell 8, line 6 · in pad_and_convolve out[i, j] = (padded[i:i+3, j:j+3] * K).sum()" in said
    )
    assert len(english.all("span", class_="marked")) == 2


def test_the_first_layer_that_differs_is_marked(english: Page) -> None:
    rows = english.all("tr", class_="first")
    assert len(rows) == 1
    assert "features.1.dw ▸ First difference" in english.text
    assert "Expected: Conv2d(groups=32)" in english.text


def test_curves_are_drawn_and_told_in_numbers(english: Page) -> None:
    assert english.all("svg", class_="curves")[0]["aria-label"] == "Plot of train loss, val loss"
    assert "train loss 1.8" in english.text
    assert "Epoch where overfitting begins disagrees none 13" in english.text


def test_criteria_say_what_is_marked_and_what_waits(english: Page) -> None:
    assert "Explains vanishing gradients of 3, not marked yet" in english.text
    assert "Breaking symmetry 2 of 2" in english.text
    assert "Marker’s comment" in english.text


def test_an_error_of_the_grader_says_that_it_costs_nothing(persian: Page, english: Page) -> None:
    assert "This is not charged to you." in english.text
    assert "این بخش به پای شما نوشته نمی‌شود." in persian.text


def test_follow_through_is_told(english: Page) -> None:
    assert "Right, given your own earlier step; its mistake is not counted twice." in english.text


def test_cells_tell_their_status_in_words(english: Page) -> None:
    for status in (
        "ran",
        "stopped with an error",
        "ran out of time",
        "the kernel died",
        "was not run",
    ):
        assert status in english.text
    assert "saved output, not run" in english.text


def test_what_made_the_grade_can_be_looked_up(english: Page) -> None:
    said = english.text
    for fact in ("torch 2.13.0", "student 88172645", "cell_seconds 30", "sha256:9f2c", "landlock"):
        assert fact in said


def test_dates_are_jalali_in_persian_and_both_in_english(persian: Page, english: Page) -> None:
    assert "مهلت تحویل سه‌شنبه ۱۱ دی ۱۴۰۳" in persian.text
    assert "31 December 2024" in english.text
    assert persian.all("time", datetime="2024-12-31T20:29+00:00")


def test_persian_numbers_in_prose_are_persian(persian: Page) -> None:
    prose = re.sub(r"<(code|bdi|table|svg|time|math)\b.*?</\1>", "", persian.html, flags=re.DOTALL)
    prose = re.sub(
        r'<div class="code.*?</div>|<p class="type.*?</p>|<style>.*?</style>',
        "",
        prose,
        flags=re.DOTALL,
    )
    article = prose[prose.index("<article") : prose.index("</article>")]
    said = re.sub(r"<[^>]*>", " ", article)
    assert re.search("[۰-۹]", said)
    assert not re.findall(r"\b[0-9]+\b", said)


def test_notices_link_to_their_cell(english: Page) -> None:
    assert "Google Drive cannot be reached here" in english.text
    assert english.all("a", href="#cell-1")


# ---------------------------------------------------------------- that it holds together


def test_the_gallery_is_a_card_with_everything() -> None:
    assert "Convolutional networks" in Page(render_gallery()).text


def test_ids_are_unique_and_every_link_leads_somewhere(card: Page) -> None:
    assert len(card.ids) == len(set(card.ids))
    targets = {given["href"] for given in card.all("a")} | {g["href"] for g in card.all("use")}
    assert targets
    assert all(href.startswith("#") and href[1:] in card.ids for href in targets)
    for _, given in card.elements:
        for name in given.get("aria-labelledby", "").split():
            assert name in card.ids


def test_each_language_is_marked_and_has_its_direction(card: Page) -> None:
    assert card.all("html")[0] == {"lang": "fa", "dir": "rtl"}
    articles = {given["lang"]: given["dir"] for given in card.all("article")}
    assert articles == {"fa": "rtl", "en": "ltr"}


def test_the_language_switch_needs_no_script(card: Page) -> None:
    assert card.all("input", id="to-fa", name="language")[0].get("checked") == ""
    assert card.all("input", id="to-en", name="language")
    assert ":root:has(#to-en:checked) .in-fa" in card.styles[0]
    assert not card.all("script")


def test_a_card_in_one_language_has_no_switch_of_languages(english: Page) -> None:
    assert english.all("html")[0] == {"lang": "en", "dir": "ltr"}
    assert not english.all("input", name="language")
    assert english.all("input", name="theme")


def test_the_same_report_gives_the_same_card(report: Report) -> None:
    again = from_json(to_json(report))
    assert render_card(report) == render_card(again)


@pytest.mark.parametrize("data", [b'{"student": "\xff"}', b'{"x":' + b"[" * 100_000, b"[]", b""])
def test_what_is_no_report_is_told_by_one_error(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        from_json(data)


def test_headings_go_down_one_step_at_a_time(english: Page) -> None:
    levels = [int(tag[1]) for tag, _ in english.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_hand_in_without_a_notebook_gets_a_card(report: Report) -> None:
    empty = replace(
        report,
        notebook=None,
        cells=[],
        warnings=[Notice(id="none", text=text("دفترچه‌ای نبود.", "There was no notebook."))],
    )
    page = Page(render_card(empty, languages=("en",)))
    assert "no notebook was found" in page.text
    assert "First hand in a notebook that can be opened" in page.text
    assert "There are no cells to show." in page.text
    targets = {given["href"] for given in page.all("a")}
    assert all(href[1:] in page.ids for href in targets)


def test_a_card_without_questions_or_dates_is_still_a_card(report: Report) -> None:
    bare = replace(report, questions=[], warnings=[], score=replace(report.score, pending=0))
    said = Page(render_card(bare, languages=("en",))).text
    assert "What comes next Everything is right" in said
    assert "Fix this first" not in said


def test_an_unknown_language_is_refused(report: Report) -> None:
    with pytest.raises(UnknownLanguage):
        render_card(report, languages=("de",))
    with pytest.raises(ValueError, match="at least one language"):
        render_card(report, languages=())


def test_a_card_is_in_the_languages_of_its_course(report: Report) -> None:
    english = render_card(report, occasion=Occasion(languages=("en",)))
    assert english == render_card(report, languages=("en",))
    both = Page(render_card(report, occasion=Occasion(languages=("en", "fa"))))
    assert both.all("html", lang="en")
    assert both.all("input", id="to-fa")


def test_a_moment_without_a_zone_is_refused(report: Report) -> None:
    naive = datetime(2024, 12, 31)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        render_card(report, occasion=Occasion(due=naive))


def test_the_class_page_is_linked_when_there_is_one(report: Report) -> None:
    occasion = Occasion(index_link="../index.html", graded=datetime(2025, 1, 4, tzinfo=UTC))
    page = Page(render_card(report, languages=("en",), occasion=occasion))
    assert page.all("a", href="../index.html")


# ---------------------------------------------------------------- that nothing in it can act


def hostile() -> Report:
    """Everything a student can name or print is an attack."""
    said = text(HOSTILE, HOSTILE)
    evidence = {
        "kind": "exception",
        "asked": HOSTILE,
        "answered": {"text": HOSTILE, "dtype": HOSTILE, "values": [[HOSTILE]]},
        "inputs": {HOSTILE: shown([1.0])},
        "exception": {
            "type": HOSTILE,
            "message": HOSTILE,
            "frames": [{"cell": 0, "line": 1, "source": HOSTILE, "function": HOSTILE}],
        },
        "layers": [
            {"path": HOSTILE, "type": HOSTILE, "options": {HOSTILE: HOSTILE}, "differs": True}
        ],
        "curves": [{"name": HOSTILE, "x": [1, 2], "y": [1.0, 2.0]}],
        "claims": [{"what": HOSTILE, "claimed": HOSTILE, "found": [HOSTILE], "agrees": False}],
        "notes": [said],
    }
    cells = [
        CellResult(
            index=0,
            status="error",
            seconds=1,
            source=HOSTILE,
            error=HOSTILE,
            outputs=[
                CellOutput(kind="text", data=HOSTILE),
                CellOutput(kind="error", data=f"\x1b[31m{HOSTILE}\x1b]8;;javascript:x\x07"),
                CellOutput(kind="image", data=HOSTILE, mime=HOSTILE),
                CellOutput(kind="image", data=f"<svg>{HOSTILE}</svg>", mime="image/svg+xml"),
            ],
        )
    ]
    report = one_check(
        title=said, message=said, hint=said, misconception=HOSTILE, cell=0,
        found_by=f"value:{HOSTILE}", evidence=evidence, cells=cells,
    )  # fmt: skip
    return replace(
        report,
        student=HOSTILE,
        notebook=HOSTILE,
        title=said,
        warnings=[Notice(id="x", text=said, cell=0)],
        provenance=replace(report.provenance, versions={HOSTILE: HOSTILE}, kernel=HOSTILE),
    )


def test_nothing_of_a_student_becomes_markup() -> None:
    page = Page(render_card(hostile()))
    tags = {tag for tag, _ in page.elements}
    assert "script" not in tags
    assert [given for given in page.all("img") if not given["src"].startswith("data:image/")] == []
    for tag, given in page.elements:
        assert not [name for name in given if name.startswith("on")], tag
        assert "style" not in given, tag
        assert not given.get("href", "#").lower().startswith(("javascript", "http")), tag
    assert "{{7*7}}" in page.text


def test_bidirectional_overrides_are_shown_wherever_they_stand() -> None:
    trick = "user\u202e\u2066 admin\u2069"
    report = one_check(
        evidence={"asked": trick, "answered": {"text": trick}},
        cells=[
            CellResult(index=0, status="ok", seconds=0, source=trick,
                       outputs=[CellOutput(kind="text", data=trick)])
        ],
    )  # fmt: skip
    html = render_card(replace(report, student=trick), languages=("en",))
    assert "\u202e" not in html
    assert "U+202E" in html


def test_a_secret_of_the_student_is_nowhere_in_the_card(card: Page) -> None:
    assert any("5f0c1d9e8b7a4635" in cell.source for cell in CELLS)
    assert "5f0c1d9e8b7a4635" not in card.html


def test_a_hidden_check_shows_no_expected_value() -> None:
    evidence = {
        "answered": shown([[1.0, 2.0]]),
        "expected": shown([[90210.0, 2.0]]),
        "inputs": {"X": shown([31337.0])},
        "difference": {
            "max_abs": 1.0,
            "first": {"index": [0, 0], "answered": 1.0, "expected": 90210.0},
            "heatmap": [[90209.0, 0.0]],
        },
    }
    hidden = render_card(one_check(hidden=True, evidence=evidence))
    assert "90210" not in hidden
    assert "90209" not in hidden
    assert "31337" not in hidden
    public = render_card(one_check(evidence=evidence))
    assert "90210" in public


def test_the_policy_forbids_all_but_the_page_itself(card: Page) -> None:
    policy = card.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    digest = base64.b64encode(hashlib.sha256(card.styles[0].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "script-src" not in policy


def test_the_card_asks_nothing_of_any_other_place(card: Page) -> None:
    without_names = card.html.replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?\s*(?:https?:)?//", without_names)
    assert not card.all("link")


# ---------------------------------------------------------------- that it is light


def test_a_homeworks_card_is_small() -> None:
    assert len(render_card(homework()).encode()) < 400_000


def test_a_homeworks_card_is_cheap() -> None:
    """Once warm, well under a tenth of a second even on a slow and busy machine."""
    report = homework()
    render_card(report)
    spent = []
    for student in range(7):
        own = [replace(cell, source=f"# {student}\n{cell.source}") for cell in report.cells]
        start = time.process_time()
        render_card(replace(report, student=str(student), cells=own))
        spent.append(time.process_time() - start)
    assert min(spent) < 0.1


def test_what_passed_is_short() -> None:
    evidence = {
        "asked": "f(X)",
        "answered": shown([[1.0, 2.0]]),
        "expected": shown([[1.0, 2.0]]),
        "difference": {"max_abs": 1e-9, "heatmap": [[1e-9, 0.0]]},
        "layers": [{"path": "conv", "type": "Conv2d"}],
    }
    page = Page(render_card(one_check("passed", 5, evidence=evidence), languages=("en",)))
    assert "Asked f(X) Your answer float64 (1, 2) Your answer 1 2" in page.text
    assert "largest difference 1e-09" in page.text
    assert "Expected" not in page.text
    assert "Conv2d" not in page.text
    assert not page.all("svg", class_="heat")


def test_evidence_that_cannot_be_read_is_shown_as_it_is() -> None:
    page = Page(render_card(one_check(evidence={"answered": [1, {"a": "<b>"}]}), languages=("en",)))
    assert "This evidence cannot be drawn" in page.text
    assert '"<b>"' in page.text


def test_every_piece_of_the_gallery_is_in_its_report() -> None:
    checks = [c for q in specimen().questions for p in q.parts for c in p.checks]
    assert {c.verdict for c in checks} == {
        "passed",
        "partial",
        "failed",
        "missing",
        "pending",
        "error",
    }
    kinds = {c.evidence.get("kind") for c in checks}
    assert kinds >= {
        "values", "shape", "choice", "property", "exception", "timeout", "module", "curves", "text",
    }  # fmt: skip
    assert {cell.status for cell in CELLS} == {
        "ok",
        "error",
        "timeout",
        "died",
        "skipped",
        "recorded",
    }


def test_one_wrong_number_has_no_place_to_name() -> None:
    place = {"index": [], "answered": 0.07, "expected": 0.005}
    evidence = {
        "answered": shown([0.07]) | {"shape": [], "text": "0.07"},
        "expected": shown([0.005]) | {"shape": [], "text": "0.005"},
        "difference": {"max_abs": 0.065, "wrong": 1, "total": 1, "first": place, "worst": place},
    }
    page = Page(render_card(one_check(evidence=evidence), languages=("en",)))
    assert "first difference" not in page.text
    assert "largest difference" in page.text
    assert "[]" not in page.text


def test_shapes_that_differ_have_no_number_of_wrong_entries() -> None:
    difference = {"wrong": 0, "total": 2, "atol": 1e-6, "rtol": 0.0}
    evidence = {"kind": "shape", "answered": shown([1.0]), "expected": shown([1.0, 2.0])}
    page = Page(
        render_card(one_check(evidence={**evidence, "difference": difference}), languages=("en",))
    )
    assert "entries differ" not in page.text
    difference["wrong"] = 1
    evidence["difference"] = difference
    assert (
        "1 of 2 entries differ"
        in Page(render_card(one_check(evidence=evidence), languages=("en",))).text
    )
