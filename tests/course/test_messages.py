"""The engine's own sentences: complete in both languages, and filled with care."""

from __future__ import annotations

import re

import numpy as np
import pytest

from grader.course import say
from grader.course.messages import LONGEST, templates
from grader.course.texts import FSI, LRI, PDI

NEEDED = """
    passed passed-found-by-alias passed-found-by-value passed-found-in-output
    passed-found-by-behaviour passed-follow-through missing-name missing-function missing-none
    not-implemented wrong-shape wrong-dtype wrong-values wrong-values-hidden wrong-equal
    wrong-choice not-a-choice unreadable-number unreadable-array out-of-range property-failed
    misconception raised raised-hidden timed-out died too-large not-a-function wrong-arguments
    non-finite module-not-found parameter-count weights-do-not-fit forbidden-import
    recorded-missing recorded-no-curve pending-person grader-error environment-error unstable
    cell-error cell-timeout cell-died cell-skipped replayed submission-timeout memory
    output-truncated not-executed-recorded order input-refused network-refused
    unreadable-notebook no-cage which-notebook
""".split()

PERSIAN_LETTER = "[ء-يپچژکگی]"
KEYS = sorted(templates())


def test_every_sentence_that_the_engine_needs_is_there():
    assert set(NEEDED) <= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_a_sentence_is_complete_in_both_languages(key):
    template = templates()[key]
    assert template.placeholders("fa") == template.placeholders("en")
    assert template.fa.strip() == template.fa
    assert template.en.strip() == template.en
    assert re.search(PERSIAN_LETTER, template.fa)
    assert not re.search(PERSIAN_LETTER, template.en)
    assert template.fa != template.en


@pytest.mark.parametrize("key", KEYS)
def test_persian_is_set_as_persian(key):
    prose = re.sub(rf"\{{\w+\}}|{LRI}.*?{PDI}", "x", templates()[key].fa)
    assert not re.search("[0-9,;?%\"'كي]", prose), "Latin digits or punctuation, or Arabic letters"
    assert not re.search(r" [،؛:.؟»)]|[«(] | \u200c|\u200c | {2}", prose), "a space too many"
    assert not re.search(r"\b(ن?می) ", prose), "half-space missing after می"
    assert not re.search(r" (ها|های|هایی|ترین)\b", prose), "half-space missing before ها"


@pytest.mark.parametrize("key", KEYS)
def test_a_sentence_ends_as_a_sentence(key):
    for text in (templates()[key].fa, templates()[key].en):
        assert text.endswith((".", "{message}", "{text}", "؟", "?"))


@pytest.mark.parametrize("key", KEYS)
def test_every_sentence_can_be_said(key):
    samples = {"cells": [0, 3], "text": {"fa": "متن", "en": "text"}}
    names = templates()[key].placeholders("en")
    said = say(key, **{name: samples.get(name, 3) for name in names})
    assert set(said) == {"fa", "en"}
    assert not any("{" in text for text in said.values())


def test_numbers_are_persian_in_persian_and_code_is_isolated():
    said = say("wrong-values", name="dW", wrong=3, total=9, index=(0, 2), answered=-1.5)
    assert f"«{LRI}dW{PDI}»" in said["fa"]
    assert "۳ مقدار از ۹ مقدار" in said["fa"]
    assert f"اندیس {LRI}(0, 2){PDI}" in said["fa"]
    assert f"{LRI}-۱٫۵{PDI}" in said["fa"]
    assert said["en"] == (
        "“dW” has the right shape, but 3 of its 9 values are off. The first is at index (0, 2), "
        "where you have -1.5. Work that single one out by hand."
    )


def test_cells_are_counted_from_one_for_students():
    said = say("cell-skipped", cell=8, earlier_cell=6)
    assert said["en"] == "Cell 9 was not run, because cell 7 before it had ended the run."
    assert said["fa"].startswith("خانهٔ ۹ ")
    said = say("not-executed-recorded", cells=[2, 4])
    assert said["en"].endswith(": 3, 5.")
    assert said["fa"].endswith(": ۳، ۵.")


@pytest.mark.parametrize("index", [-1, None, "7", True, 1.0])
def test_what_is_no_index_of_a_cell_is_refused(index):
    with pytest.raises(TypeError, match=r"cell is .* counted from 0"):
        say("cell-died", cell=index)


def test_numpy_numbers_are_numbers():
    said = say("wrong-shape", name="W", answered=(np.int64(3), np.int64(5)), expected=(5,))
    assert "has shape (3, 5); it should be (5,)" in said["en"]
    assert "{answered}" not in say("wrong-value", name="x", answered=np.float32(0.5))["fa"]


def test_complex_numbers_are_code():
    assert "3+4j" in say("wrong-value", name="x", answered=3 + 4j)["en"]
    assert (
        f"{LRI}0.5-1j{PDI}" in say("wrong-value", name="x", answered=np.complex64(0.5 - 1j))["fa"]
    )


def test_strings_are_enumerated():
    said = say("forbidden-import", name="f", modules=["torch", "scipy"], allowed=["numpy"])
    assert "uses torch, scipy, which" in said["en"]
    assert f"{LRI}torch{PDI}، {LRI}scipy{PDI}" in said["fa"]


def test_a_message_of_a_student_cannot_disturb_the_sentence():
    said = say("raised", line=2, cell=0, type="ValueError", message="a{b}\n\x1b[31m\u202ec")
    assert said["en"].endswith("It says: a{b} [31mc")
    assert said["fa"].endswith(f"{LRI}a{{b}} [31mc{PDI}")
    said = say("raised", line=2, cell=0, type="ValueError", message="ابعاد غلط")
    assert said["en"].endswith(f"{FSI}ابعاد غلط{PDI}")


def test_an_empty_message_is_named_and_a_long_one_cut():
    said = say("raised", line=2, cell=0, type="ValueError", message=" ")
    assert said["en"].endswith("It says: (empty)")
    assert said["fa"].endswith("متن خطا: (خالی)")
    said = say("raised", line=2, cell=0, type="ValueError", message="x" * 10_000)
    assert said["en"].endswith("It says: " + "x" * LONGEST + "…")


def test_a_text_is_put_in_by_language():
    text = {"fa": "فیلتر چرخانده نشده است.", "en": "The filter was not rotated."}
    said = say("misconception", text=text)
    assert said["en"].endswith("slip. The filter was not rotated.")
    assert said["fa"].endswith("آشناست. فیلتر چرخانده نشده است.")


def test_a_text_in_one_language_gives_a_sentence_in_that_language():
    assert set(say("misconception", text={"fa": "فیلتر چرخانده نشده است."})) == {"fa"}
    with pytest.raises(TypeError, match="no language in common"):
        say("misconception", text={})


def test_an_unknown_sentence_suggests_the_nearest():
    with pytest.raises(LookupError, match=r'no sentence "wrong-shap".*did you mean "wrong-shape"'):
        say("wrong-shap")


def test_missing_and_unknown_placeholders_are_errors():
    with pytest.raises(TypeError, match='"timed-out" needs a value for "seconds"'):
        say("timed-out", name="f")
    with pytest.raises(TypeError, match='"passed" has no placeholder "name"'):
        say("passed", name="f")


@pytest.mark.parametrize("value", [object(), [1, "a"], [1.5, 2.0], {1, 2}])
def test_values_that_no_sentence_can_show_are_errors(value):
    with pytest.raises(TypeError, match="answered"):
        say("wrong-value", name="x", answered=value)
