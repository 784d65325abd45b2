"""What the reader noticed about a hand-in, and the sentences that say it.

A :class:`Finding` is a record: an id and the values of its sentence. The
sentences themselves stand in ``findings.toml`` in every language of the
engine, so that code and prose change separately.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from grader.course.texts import Text, isolated, number_text

Value = str | int | float | Sequence[str] | Sequence[int]

_SEPARATOR = {"fa": "، ", "en": ", "}
_SHOWN_ITEMS = 8
_SHOWN_CHARACTERS = 80


class Finding(msgspec.Struct, frozen=True):
    """Something that the student or the TA should know about a hand-in.

    Attributes
    ----------
    id
        Key of its sentence in ``findings.toml``.
    values
        What fills the placeholders of the sentence.
    cell
        Index of the cell to look at, counted from 0 over all cells; None when it is the whole file.
        The sentence has it as ``{cell}``, counted from 1, as a reader counts.
    """

    id: str
    values: dict[str, Value] = {}
    cell: int | None = None


class Unreadable(Exception):
    """There is no notebook to grade here.

    Attributes
    ----------
    findings
        All that is known about the hand-in; the last one says why it cannot be read and what the
        student should do.
    """

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings
        super().__init__(describe(self.finding)["en"])

    @property
    def finding(self) -> Finding:
        """Why it cannot be read."""
        return self.findings[-1]


@cache
def sentences() -> dict[str, Text]:
    """Return the sentence of every finding, by id and language."""
    source = Path(__file__).with_name("findings.toml").read_text(encoding="utf-8")
    return tomllib.loads(source)


def describe(finding: Finding) -> Text:
    """Return the sentence of `finding` in every language.

    Numbers get Persian digits in Persian; names keep their letters and are isolated, so that
    ``Exercise10 (1).ipynb`` reads from left to right in the middle of a Persian sentence.

    Raises
    ------
    KeyError
        If no sentence is known for the finding's id, or the finding lacks one of its values.
    """
    values = finding.values if finding.cell is None else {"cell": finding.cell + 1} | finding.values
    return {
        language: template.format_map({k: _shown(v, language) for k, v in values.items()})
        for language, template in sentences()[finding.id].items()
    }


def _shown(value: Value, language: str) -> str:
    if isinstance(value, str):
        cut = value if len(value) <= _SHOWN_CHARACTERS else value[: _SHOWN_CHARACTERS - 1] + "…"
        return isolated(cut, language)
    if isinstance(value, int | float):
        return number_text(value, language)
    items = [_shown(item, language) for item in value[:_SHOWN_ITEMS]]
    return _SEPARATOR[language].join(items) + ("…" if len(value) > _SHOWN_ITEMS else "")
