"""How alike the code of hand-ins is: what two share that the skeleton and most others lack.

Winnowing over tokens (Schleimer, Wilkerson and Aiken, "Winnowing: local algorithms for document
fingerprinting", 2003). Comments, layout and the names that students choose do not count; the names
of libraries, numbers and the order of tokens within a dozen do. What many students share says
nothing about two of them, so a fingerprint weighs by how rare it is. The outcome is evidence for a
person, no verdict.
"""

from __future__ import annotations

import io
import keyword
import math
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Final
from zlib import crc32

import msgspec
from nbformat import NotebookNode

from grader.notebook.ipython_syntax import python_of

GRAM: Final = 9
"""Tokens that one fingerprint covers."""
WINDOW: Final = 4
"""Of so many neighbouring fingerprints one is kept; all code of GRAM + WINDOW - 1 tokens is seen."""
SHARED_BY: Final = 0.1
"""A fingerprint that this share of the class has, or more, is a way in which one writes it."""
LEAST_TOKENS: Final = 40
"""Tokens of own code below which a hand-in is compared with none."""

_KEPT = frozenset(keyword.kwlist) | frozenset(
    "print range len sum abs min max zip enumerate list dict set tuple int float str sorted map "
    "filter isinstance super self open any all round reversed type".split()
)
_LAYOUT = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}


class Token(msgspec.Struct, frozen=True):
    """One token as it counts, and where it stands: cell among all cells, line of the cell, from 0."""

    text: str
    cell: int
    line: int


class Code(msgspec.Struct, frozen=True):
    """The code of one hand-in, made ready to be compared.

    Attributes
    ----------
    cells
        Source of the code cells, by place among all cells.
    prints
        Lines covered by each fingerprint, as (cell, line) pairs.
    tokens
        How many tokens there are.
    """

    cells: dict[int, str]
    prints: dict[int, frozenset[tuple[int, int]]]
    tokens: int


class Likeness(msgspec.Struct, frozen=True):
    """What two hand-ins share.

    Attributes
    ----------
    share
        Weight of what they share, as a share of all that the smaller one has of its own, 0 to 1.
    prints
        The fingerprints that they share.
    """

    first: str
    second: str
    share: float
    prints: frozenset[int]


def tokens_of(source: str, cell: int) -> Iterator[Token]:
    """Yield the tokens of one cell as they count; of code that is no Python, those that can be read."""
    lines = io.StringIO(python_of(source)).readline
    previous = ""
    try:
        for token in tokenize.generate_tokens(lines):
            if token.type in _LAYOUT:
                continue
            text = token.string
            if token.type == tokenize.STRING:
                text = '""'
            elif token.type == tokenize.NAME and text not in _KEPT and previous != ".":
                text = "name"
            previous = token.string
            yield Token(text, cell, token.start[0] - 1)
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def code_of(notebook: NotebookNode) -> Code:
    """Fingerprint the code cells of a notebook. No fingerprint spans two cells."""
    cells = {i: c.source for i, c in enumerate(notebook.cells) if c.cell_type == "code"}
    prints: dict[int, set[tuple[int, int]]] = defaultdict(set)
    count = 0
    for place, source in cells.items():
        tokens = list(tokens_of(source, place))
        count += len(tokens)
        for start in _winnowed(tokens):
            gram = tokens[start : start + GRAM]
            prints[_hash(gram)].update((token.cell, token.line) for token in gram)
    return Code(cells, {h: frozenset(lines) for h, lines in prints.items()}, count)


def _hash(tokens: Iterable[Token]) -> int:
    return crc32("\0".join(token.text for token in tokens).encode("utf-8", "replace"))


def _winnowed(tokens: Sequence[Token]) -> Iterator[int]:
    """Yield where the fingerprints that are kept begin: the smallest of each window, the last of equals."""
    hashes = [_hash(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1)]
    kept = -1
    for begin in range(max(len(hashes) - WINDOW + 1, min(len(hashes), 1))):
        window = hashes[begin : begin + WINDOW]
        least = min(window)
        place = begin + max(i for i, value in enumerate(window) if value == least)
        if place != kept:
            kept = place
            yield place


def compare(
    hand_ins: Mapping[str, Code],
    skeletons: Sequence[Code],
    earlier: Mapping[str, Code] | None = None,
) -> list[Likeness]:
    """Compare all hand-ins with each other and with `earlier` ones; the most alike come first.

    Parameters
    ----------
    skeletons
        Code that all received: it counts for nobody.
    earlier
        Hand-ins of earlier terms, which are not compared with each other.
    """
    given = {h for skeleton in skeletons for h in skeleton.prints}
    everybody = {**hand_ins, **(earlier or {})}
    own = {
        name: code.prints.keys() - given
        for name, code in everybody.items()
        if code.tokens >= LEAST_TOKENS
    }
    holders: dict[int, list[str]] = defaultdict(list)
    for name, prints in own.items():
        for value in prints:
            holders[value].append(name)
    most = max(3, math.ceil(SHARED_BY * len(own)))
    weight = {
        value: math.log(1 + len(own) / len(names)) if len(names) <= most else 0.0
        for value, names in holders.items()
    }
    # What everybody writes belongs to a hand-in, too: else ten tokens of its own would be all of it.
    plain = math.log(1 + len(own) / (most + 1))
    total = {name: sum(weight[v] or plain for v in prints) for name, prints in own.items()}
    shared: dict[tuple[str, str], list[int]] = defaultdict(list)
    for value, names in holders.items():
        if 1 < len(names) <= most:
            for i, first in enumerate(names):
                for second in names[i + 1 :]:
                    if first in hand_ins or second in hand_ins:
                        shared[first, second].append(value)
    found = [
        Likeness(
            first,
            second,
            sum(weight[v] for v in values) / min(total[first], total[second]),
            frozenset(values),
        )
        for (first, second), values in shared.items()
    ]
    return sorted(found, key=lambda pair: (-pair.share, pair.first, pair.second))


def standing_out(
    found: Sequence[Likeness], hand_ins: int, *, least: float = 0.15
) -> list[Likeness]:
    """Return the pairs far beyond what is usual between two of `hand_ins` who worked alone."""
    pairs = hand_ins * (hand_ins - 1) // 2
    shares = [pair.share for pair in found] + [0.0] * max(0, pairs - len(found))
    if not shares:
        return []
    middle = median(shares)
    spread = median(abs(share - middle) for share in shares)
    return [pair for pair in found if pair.share > max(least, middle + 12 * spread)]


def groups_of(pairs: Iterable[Likeness]) -> list[list[str]]:
    """Return those whom `pairs` connect, the largest group first."""
    group: dict[str, set[str]] = {}
    for pair in pairs:
        joined = group.get(pair.first, {pair.first}) | group.get(pair.second, {pair.second})
        for name in joined:
            group[name] = joined
    distinct = {id(names): sorted(names) for names in group.values()}
    return sorted(distinct.values(), key=lambda names: (-len(names), names))
