"""Titles of matplotlib's axes, placed without laying out the ticks for it.

To learn whether the number above the y axis (its offset) is in the way of a title, matplotlib lays
out the whole axis, in ``tight_layout`` and in the drawing, which each do so themselves, or not at
all where the axis is off, as around most images. Here the axis is asked for its offset alone.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import threading
from collections.abc import Callable
from typing import Any

from .texts import part_of


class _Placing(threading.local):
    now = False


def quicken_titles() -> None:
    """Have matplotlib ask for no more than it needs to place a title, where that can."""
    with contextlib.suppress(Exception):  # another matplotlib
        _patch()


def _patch() -> None:
    """Take the place of matplotlib's own functions.

    Raises
    ------
    AttributeError, OSError, TypeError
        If they are not those that are known here.
    """
    axis: Any = importlib.import_module("matplotlib.axis")
    axes: Any = importlib.import_module("matplotlib.axes._base")._AxesBase
    nothing: type = importlib.import_module("matplotlib.ticker").NullLocator
    usual_place: Callable[..., None] = axes._update_title_position
    usual_box: Callable[..., Any] = axis.YAxis.get_tightbbox
    for function, names in (
        (usual_place, ["renderer"]),
        (usual_box, ["renderer", "for_layout_only"]),
        (axis.Axis._tick_group_visible, ["kw"]),
    ):
        if [*inspect.signature(function).parameters][-len(names) :] != names:
            raise TypeError(f"{function} takes other parameters")
    lines = [line.strip() for line in inspect.getsource(usual_place).splitlines()]
    asked = [line for line in lines if "yaxis.get_tightbbox" in line]
    if len(asked) != 1 or not asked[0].startswith("ax.yaxis.get_tightbbox(renderer)"):
        raise TypeError("a title is placed by the box of the axis")
    placing = _Placing()

    def place(self: Any, renderer: Any) -> None:
        placing.now = True
        try:
            usual_place(self, renderer)
        finally:
            placing.now = False

    def box(self: Any, renderer: Any = None, *, for_layout_only: bool = False) -> Any:
        if not placing.now or type(self) is not axis.YAxis or not self.get_visible():
            return usual_box(self, renderer, for_layout_only=for_layout_only)
        formatter = self.major.formatter
        if self._tick_group_visible(self._major_tick_kw) and not isinstance(
            self.get_major_locator(), nothing
        ):
            formatter.format_ticks(self.get_majorticklocs())
        if offset := formatter.get_offset():
            return usual_box(self, renderer)
        self.offsetText.set_text(offset)
        return None

    axes._update_title_position = part_of(usual_place, place)
    axis.YAxis.get_tightbbox = part_of(usual_box, box)
