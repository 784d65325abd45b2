"""Attacks as notebooks: small percent scripts, beside the table that says what must come of each.

The first line of a script says in a comment what it tries. A cell ``# %% honest`` stands for all
cells of the reference, ``# %% honest NAME ...`` for some of them. ``@NAME@`` is a fact about the
machine that grades: what an attacker who has read everything would know.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from nbformat import NotebookNode, v4

FOLDER = Path(__file__).with_name("attacks")
TABLE = Path(__file__).with_name("table.toml")
COURSE = Path(__file__).with_name("course")
FAMILIES = ("forging", "peeking", "breaking", "escaping")


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must come of an attack; whatever is left out is as for an honest hand-in.

    Attributes
    ----------
    verdicts
        Of the checks that do not pass.
    cells
        Status by place among the code cells.
    notices
        Ids of what the card says about the run.
    says
        Part of a sentence on the card, in English.
    either
        Other verdicts that are as good, where it depends on the machine which comes.
    """

    verdicts: dict[str, str] = {}
    cells: dict[str, str] = {}
    notices: list[str] = []
    says: str = ""
    either: dict[str, str] = {}


def table() -> dict[str, Expected]:
    """What must come of each attack, by ``family/name``."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {
        f"{family}/{name}": msgspec.convert(row, Expected)
        for family, attacks in rows.items()
        for name, row in attacks.items()
    }


def scripts() -> list[str]:
    """All attacks there are, by ``family/name``."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in FOLDER.glob("*/*.py"))


def attack(name: str, honest: Mapping[str, str], facts: Mapping[str, Any]) -> NotebookNode:
    """Make the notebook of an attack from its script and the honest cells by name."""
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    for fact, value in facts.items():
        text = text.replace(f"@{fact}@", str(value))
    _, *parts = text.split("\n# %%")
    return v4.new_notebook(cells=[v4.new_code_cell(s) for s in _sources(parts, honest)])


def _sources(parts: Iterable[str], honest: Mapping[str, str]) -> Iterable[str]:
    for part in parts:
        head, _, source = part.partition("\n")
        words = head.split()
        if words[:1] == ["honest"]:
            yield from (honest[word] for word in words[1:] or honest)
        if source.strip():
            yield source.rstrip("\n")
