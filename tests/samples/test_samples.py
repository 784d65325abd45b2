"""Every sample hand-in gets the points stated beside it, whichever kernel runs it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_core_python.selenium import Axe
from lxml import html
from msgspec import to_builtins
from msgspec.structs import replace
from selenium.webdriver import Chrome

from grader.checks.session import Judge, run_session
from grader.checks.subject import Subject
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.feedback import render_card
from grader.feedback.language import Language
from grader.grading.kept import unpacked as unpacked_run
from grader.grading.pack import Pack, unpacked
from grader.grading.recording import make_pack
from grader.grading.release import solution
from grader.grading.submission import Graded, KernelName
from grader.grading.warm import WarmGrader
from grader.notebook import find_notebook, list_submissions, read_notebook
from grader.report import CheckResult, Report
from tests.browser import started

ROOT = Path(__file__).parents[2]
COURSE = read_course(ROOT)
CELL_SECONDS = 10.0
"""Plenty for every cell that ends, and little for those that never do."""


def table(slug: str) -> dict[str, Any]:
    """The stated points of an assignment's samples, by student."""
    path = Path(__file__).with_name(f"{slug}.toml")
    return tomllib.loads(path.read_text("utf-8"))


SAMPLES = [(slug, student) for slug in COURSE.assignments for student in table(slug)]


class Desks:
    """Warm graders by assignment and kernel, what they made, and the check packs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._graders: dict[tuple[str, KernelName], WarmGrader] = {}
        self.graded = cache(self._graded)
        self.pack = cache(self._pack)

    def report(self, slug: str, student: str, kernel: KernelName) -> Report:
        return self.graded(slug, student, kernel).report

    def _graded(self, slug: str, student: str, kernel: KernelName) -> Graded:
        path = list_submissions(ROOT / "submissions", slug)[student]
        return self._grade(slug, student, path, kernel)

    def _pack(self, slug: str) -> Pack:
        assignment = read_assignment(COURSE, slug)
        solved = solution(assignment, COURSE.languages)
        path = self._folder / f"{slug}.ipynb"
        nbformat.write(solved, path)
        kept = self._grade(slug, "reference", path, "forked").kept
        assert kept is not None
        return make_pack(COURSE, assignment, solved, unpacked_run(kept)).pack

    def _grade(self, slug: str, student: str, path: Path, kernel: KernelName) -> Graded:
        if (slug, kernel) not in self._graders:
            assignment = read_assignment(COURSE, slug)
            limits = replace(assignment.limits, cell_seconds=CELL_SECONDS)
            assignment = replace(assignment, limits=limits)
            self._graders[slug, kernel] = WarmGrader(assignment, kernel=kernel)
        graded = self._graders[slug, kernel].grade(student, path)
        assert not graded.troubles, graded.troubles
        return graded

    def close(self) -> None:
        for grader in self._graders.values():
            grader.close()


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    made = Desks(tmp_path_factory.mktemp("solutions"))
    yield made
    made.close()


@pytest.mark.parametrize("slug", COURSE.assignments)
def test_every_sample_is_in_the_table(slug: str) -> None:
    assert set(list_submissions(ROOT / "submissions", slug)) == set(table(slug))
    assert len(table(slug)) >= 8


@pytest.mark.parametrize(("slug", "student"), SAMPLES)
def test_a_sample_gets_the_points_stated_beside_it(desks: Desks, slug: str, student: str) -> None:
    stated = table(slug)[student]
    report = desks.report(slug, student, "forked")
    parts = {f"{q.id}/{p.id}": p for q in report.questions for p in q.parts if p.kind != "rubric"}
    got = {place: part.points for place, part in parts.items() if part.points}
    waiting = {place: part.pending for place, part in parts.items() if part.pending}
    assert got == {place: points for place, points in stated["points"].items() if points}
    assert waiting == stated.get("pending", {})
    assert "error" not in {part.verdict for part in parts.values()}


CALLING_BACK = {"hw7_automl_lora": re.compile("test_(grid|random|bayesian)_search_|test_rungs_of_")}
"""Checks that student code calls back: what it is told then is not kept, so they need a live run."""


@pytest.mark.parametrize(("slug", "student"), SAMPLES)
def test_the_check_pack_gives_the_public_verdicts_of_grading(
    desks: Desks, slug: str, student: str
) -> None:
    """Each check comes to the same, word for word, or is left to the grading: few are."""
    graded = desks.graded(slug, student, "forked")
    if graded.kept is None:  # nothing ran, and nothing is asked
        return
    pack, kept = desks.pack(slug), unpacked_run(graded.kept)
    path = list_submissions(ROOT / "submissions", slug)[student]
    submitted = read_notebook(find_notebook(path, slug).notebook).notebook
    live = CALLING_BACK.get(slug)
    functions = {
        check.function
        for check in pack.checks
        if check.mode != "grading" and not (live and live.match(check.function))
    }

    def judged(judge: Judge) -> list[CheckResult]:
        run = kept.run(submitted, pack.limits)
        subject = Subject(judge.assignment, student, submitted, run)
        found, troubles = judge.public().judge(subject, functions)
        assert not troubles
        return [each.result for each in found]

    with unpacked(pack) as (_, assignment):
        results = run_session(assignment, judged, pack.stand_in())
    made = [result for result in results if not result.at_grading]
    batch = {c.id: c for q in graded.report.questions for p in q.parts for c in p.checks}
    assert len(made) >= 0.85 * len(results) >= 10
    for result in made:
        expected = batch[result.id]
        assert (result.verdict, result.message) == (expected.verdict, expected.message), result.id


def words_of(markup: str) -> str:
    """The words of a piece of HTML, without the marks that keep Latin and Persian apart."""
    text = html.fromstring(f"<div>{markup}</div>").text_content()
    return " ".join(re.sub(r"[\u200e\u200f\u2066-\u2069]", "", text).split())


CONTRAST_OF_EVERY = 7
"""To compare all colours takes as long as all else; the card of `tests/feedback` has them all."""
FOUND = [(slug, s) for slug, s in SAMPLES if {"finds", "notices"} & table(slug)[s].keys()]


@pytest.mark.parametrize(("slug", "student"), FOUND)
def test_the_card_alone_says_what_is_wrong_and_where(desks: Desks, slug: str, student: str) -> None:
    """It names the step, the mistake and the cell, as stated beside the sample."""
    stated = table(slug)[student]
    report = desks.report(slug, student, "forked")
    texts = read_assignment(COURSE, slug).texts
    card = html.fromstring(render_card(report, languages=("en",)))
    english = Language("en")
    for place, expected in stated.get("finds", {}).items():
        question, _, part = place.partition("/")
        section = card.get_element_by_id(f"en-{question}-{part}")
        said = words_of(html.tostring(section, encoding="unicode"))
        (title,) = [
            p.title for q in report.questions if q.id == question for p in q.parts if p.id == part
        ]
        assert words_of(english.say(title)) in said
        for one in expected:
            told = one.get("says") or english.say(texts.misconceptions[one["mistake"]].text)
            assert words_of(told) in said, one
            if "cell" in one:
                links = [a.get("href") for a in section.iter("a")]
                assert f"#cell-{one['cell'] - 1}" in links, one
                assert f"Cell {one['cell']}".lower() in said.lower(), one
    whole = words_of(html.tostring(card, encoding="unicode"))
    for name in stated.get("notices", []):
        told = [notice for notice in report.warnings if notice.id == name]
        assert told, name
        for notice in told:
            assert words_of(english.say(notice.text)) in whole


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    chrome = started(tmp_path_factory.mktemp("profile"))
    yield chrome
    chrome.quit()


@pytest.mark.browser
@pytest.mark.parametrize(("slug", "student"), SAMPLES)
def test_the_card_opens_in_a_browser_without_a_fault(
    desks: Desks, browser: Chrome, tmp_path: Path, slug: str, student: str
) -> None:
    """In one language and theme each: every second sample opens in English and in the dark."""
    languages, theme = (
        (("en", "fa"), "dark") if SAMPLES.index((slug, student)) % 2 else (("fa", "en"), "light")
    )
    report = desks.report(slug, student, "forked")
    path = tmp_path / "card.html"
    path.write_text(render_card(report, languages=languages), "utf-8")
    assert path.stat().st_size < 400_000 + images_of(report)
    feature = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(path.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert browser.get_log("browser") == []
    contrast = int(SAMPLES.index((slug, student)) % CONTRAST_OF_EVERY == 0)
    rules = {"color-contrast": {"enabled": contrast}}
    options = {"resultTypes": ["violations"], "rules": rules}
    violations = Axe().run(browser, options=options)["violations"]
    assert not [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in violations]


def images_of(report: Report) -> int:
    """Bytes of the student's own pictures, as a card holds them: once in each language at most."""
    return 2 * sum(len(o.data) for c in report.cells for o in c.outputs if o.kind == "image")


# The cold kernel takes seconds for each: one assignment stands for all, the one with dead cells,
# endless loops, magics and pictures among its samples.
@pytest.mark.parametrize(("slug", "student"), [s for s in SAMPLES if s[0] == "hw4_convnets"])
def test_the_cold_kernel_gives_the_same_report(desks: Desks, slug: str, student: str) -> None:
    reports = [comparable(desks.report(slug, student, kernel)) for kernel in ("forked", "cold")]
    assert reports[0] == reports[1]


def comparable(report: Report) -> dict[str, Any]:
    """All of a report that should not depend on the kernel, as plain data."""
    plain: dict[str, Any] = to_builtins(report.without_timings())
    for name in ("kernel", "versions", "cage"):
        del plain["provenance"][name]
    return plain
