"""Every finding has a sentence in Persian and in English that a student can act on."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import grader.notebook
from grader.notebook import Finding, Unreadable, describe
from grader.notebook.findings import sentences

SENTENCES = sentences()


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@pytest.mark.parametrize("id", SENTENCES)
def test_a_sentence_is_whole_in_both_languages(id):  # noqa: A002
    fa, en = SENTENCES[id]["fa"], SENTENCES[id]["en"]
    assert set(SENTENCES[id]) == {"fa", "en"}
    assert placeholders(fa) == placeholders(en) or placeholders(fa) - placeholders(en) == {"count"}
    assert fa.endswith(".")
    assert en.endswith(".")
    prose = re.sub(r"\{\w+\}", "", fa)
    assert not re.search("[يكىة]", prose), "Arabic letters in Persian"
    assert not re.search("[0-9]", prose.replace("UTF-8", "").replace("Python 3", "")), (
        "Latin digits"
    )
    assert not re.search(r"[,;?]", prose), "Latin punctuation"
    assert not re.search(r"\b(?:می|نمی) ", prose), "a half-space is missing"


def test_every_finding_that_the_package_makes_has_a_sentence_and_every_sentence_a_finding():
    folder = Path(grader.notebook.__file__).parent
    program = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    program = program.replace(
        'f"conflict-resolved-{side}"', '"conflict-resolved-ours" "conflict-resolved-theirs"'
    )
    made = set(re.findall(r'Finding\(\s*"([\w-]+)"', program))
    assert made <= set(SENTENCES)
    assert {id for id in SENTENCES if f'"{id}"' not in program} == set()  # noqa: A001


def test_numbers_are_persian_in_persian_and_names_stay_as_they_are():
    text = describe(Finding("too-large", {"size": 60.5, "limit": 50.0}))
    assert "۶۰٫۵ مگابایت" in text["fa"]
    assert "تا ۵۰ مگابایت" in text["fa"]
    assert "60.5 MB; up to 50 MB" in text["en"]
    names = describe(
        Finding("several-notebooks", {"names": ["HW10 (1).ipynb", "b.ipynb"], "taken": "b.ipynb"})
    )
    assert "HW10 (1).ipynb, b.ipynb" in names["en"]
    assert "\u2066HW10 (1).ipynb\u2069، \u2066b.ipynb\u2069" in names["fa"]


def test_cells_are_counted_from_one_for_readers():
    text = describe(Finding("executed-out-of-order", {"number": 7, "before": 12}, cell=6))
    assert "خانهٔ ۷ برابر ۷" in text["fa"]
    assert "cell 7 has the number 7" in text["en"]


def test_long_lists_and_names_are_cut():
    names = [f"{i}.csv" for i in range(100)] + ["x" * 500]
    text = describe(Finding("files-left-out", {"names": names}))
    assert "7.csv…" in text["en"]
    assert "8.csv" not in text["en"]
    assert len(describe(Finding("archive-broken", {"name": "x" * 500}))["en"]) < 250


def test_a_students_name_cannot_turn_the_sentence_round():
    name = "a\u202egnp.\nipynb{0.__class__}"
    text = describe(Finding("archive-broken", {"name": name}))
    for language in ("fa", "en"):
        assert "\u202e" not in text[language]
        assert "\n" not in text[language]
        assert "{0.__class__}" in text[language]


def test_an_exception_reads_as_its_last_finding():
    problem = Unreadable(Finding("files-left-out", {"names": ["a"]}), Finding("empty-hand-in"))
    assert problem.finding.id == "empty-hand-in"
    assert str(problem) == describe(Finding("empty-hand-in"))["en"]
