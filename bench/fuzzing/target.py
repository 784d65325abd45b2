"""One reader under test: its inputs, and what it may do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

Part = TypeVar("Part", bytes, str)


class Target(NamedTuple):
    """A reader with its inputs.

    Attributes
    ----------
    inputs
        Arbitrary ones, and sound ones that were changed.
    read
        Reads one input, checks what must hold of what came of it, and says in a word what that
        was. Documented errors it catches by itself; whatever else it raises is a defect.
    """

    name: str
    inputs: st.SearchStrategy[Any]
    read: Callable[[Any], str]


def edited(samples: Sequence[Part], inserts: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    """Samples with a few places cut out, overwritten, doubled or filled with `inserts`."""
    edits = st.lists(
        st.tuples(st.integers(0, 1 << 20), st.integers(0, 64), st.integers(0, 3), inserts),
        min_size=1,
        max_size=5,
    )
    return st.builds(_with_edits, st.sampled_from(list(samples)), edits)


def _with_edits(data: Part, edits: Sequence[tuple[int, int, int, Part]]) -> Part:
    for at, length, kind, put in edits:
        at %= len(data) + 1
        piece = data[at : at + length]
        if kind == 0:
            data = data[:at] + put + data[at + length :]
        elif kind == 1:
            data = data[:at] + put + data[at:]
        elif kind == 2:
            data = data[:at] + piece * 4 + data[at:]
        else:
            data = data[:at] + data[at + length :]
    return data


def spliced(samples: Sequence[Part]) -> st.SearchStrategy[Part]:
    """The beginning of one sample with the end of another."""
    sample = st.sampled_from(list(samples))
    place = st.floats(0, 1)
    return st.builds(
        lambda a, b, i, j: a[: int(i * len(a))] + b[int(j * len(b)) :], sample, sample, place, place
    )
