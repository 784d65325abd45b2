"""The interface's words: complete in both languages, translated, and all of them used."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import grader.feedback
from grader.course.texts import LANGUAGES
from grader.feedback.language import words

FOLDER = Path(grader.feedback.__file__).parent
FORMS = sorted(words().items())
SYMBOLS = {"graded.sum", "cells.seconds"}  # nothing but numbers and a sign in some language


def placeholders(form: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(form) if name}


@pytest.mark.parametrize(("key", "forms"), FORMS)
def test_every_phrase_is_there_in_every_language(key: str, forms: dict[str, str]) -> None:
    assert set(LANGUAGES) <= set(forms) <= {*LANGUAGES, *(f"{code}_one" for code in LANGUAGES)}
    assert all(form.strip() for form in forms.values())


@pytest.mark.parametrize(("key", "forms"), FORMS)
def test_no_translation_is_a_copy(key: str, forms: dict[str, str]) -> None:
    if key in SYMBOLS:
        return
    said = re.sub(r"{\w+}", "", forms["en"])
    if key != "language.name":
        assert re.search(r"[آ-ی]", forms["fa"]) or not re.search(r"[A-Za-z]{2}", said)
        assert not re.search(r"[؀-ۿ]", forms["en"])
    if re.search(r"[A-Za-z]{2}", said):
        assert forms["fa"] != forms["en"]


@pytest.mark.parametrize(("key", "forms"), FORMS)
def test_every_form_of_a_phrase_says_the_same_things(key: str, forms: dict[str, str]) -> None:
    full = placeholders(forms["en"])
    assert placeholders(forms["fa"]) == full
    for code in LANGUAGES:
        assert placeholders(forms.get(f"{code}_one", forms[code])) <= full


@pytest.mark.parametrize(("key", "forms"), FORMS)
def test_persian_phrases_are_set_as_persian_is(key: str, forms: dict[str, str]) -> None:
    persian = re.sub(r"{\w+}", "نام", forms["fa"])
    assert not re.search(r"[يك٤٥٦]", persian), "Arabic letters or digits"
    assert not re.search(r"[0-9?;,\"']", persian), "Latin digits or punctuation"
    assert not re.search(r"\s[،؛؟!.:]", persian), "a blank before a punctuation mark"
    assert not re.search(r"(^| )(ن?می) \S|\S (ها|های|هایی)( |$|[،؛.])", persian), (
        "half-space missing"
    )


def test_every_phrase_is_used() -> None:
    files = [*FOLDER.rglob("*.py"), *FOLDER.glob("templates/*")]
    source = "\n".join(file.read_text("utf-8") for file in files)
    named = set(re.findall(r"[\"'](\w+\.[\w-]+)[\"']", source))
    built = set(re.findall(r"[\"'](\w+)\.[\"'] ~", source)) | set(
        re.findall(r"f\"(\w+)\.{", source)
    )
    built |= set(re.findall(r"'(\w+)\.' \+", source))
    unused = [key for key in words() if key not in named and key.split(".")[0] not in built]
    assert not unused
