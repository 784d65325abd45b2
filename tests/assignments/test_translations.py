"""Every sentence of every assignment exists in Persian and in English, each in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grader.course.assignment import read_assignment
from grader.course.course import read_course

COURSE = read_course(Path(__file__).parents[2])
_CODE = re.compile(r"`[^`]*`|\$[^$]*\$")
_PERSIAN = re.compile("[\u0600-\u06ff]")


def texts(value: Any, place: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every text of a record, with its place."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from texts(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, dict) and set(value) & {"fa", "en"} and len(value) <= 2:
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from texts(item, f"{place}[{number}]")


@pytest.mark.parametrize("slug", COURSE.assignments)
def test_no_text_is_missing_or_a_copy(slug: str) -> None:
    found = list(texts(read_assignment(COURSE, slug), slug))
    assert len(found) > 50
    for place, text in found:
        assert set(text) == {"fa", "en"}, place
        persian, english = (_CODE.sub("", text[language]) for language in ("fa", "en"))
        if re.search(r"[A-Za-z]{2,}\s+[a-z]{2,}", english):  # words, not a name or a formula alone
            assert _PERSIAN.search(persian), place
            assert persian != english, place
        assert not _PERSIAN.search(english), place
