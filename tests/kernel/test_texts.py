"""Texts and titles that cost less look as matplotlib draws them, and warn as it does."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axes._base import _AxesBase
from matplotlib.axis import YAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from grader.kernel.caged.texts import quicken_texts
from grader.kernel.caged.titles import quicken_titles

PATCHED = (
    (Text, "_get_layout"),
    (RendererAgg, "_draw_text_glyphs_and_boxes"),
    (RendererAgg, "draw_text"),
    (font_manager.FontManager, "_find_fonts_by_props"),
    (_AxesBase, "_update_title_position"),
    (YAxis, "get_tightbbox"),
)


def patched() -> list[object]:
    return [getattr(owner, name) for owner, name in PATCHED]


@pytest.fixture
def quicken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Quicken matplotlib's texts and titles from now on until the test ends."""
    for owner, name in PATCHED:
        monkeypatch.setattr(owner, name, getattr(owner, name))

    def now() -> None:
        usual = patched()
        quicken_texts()
        quicken_titles()
        # This matplotlib is one that is known, so that the tests below tell something.
        assert not set(usual) & set(patched())

    with mpl.rc_context():
        yield now


def figure(columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    made = Figure(figsize=(3 * columns, 3), **options)
    FigureCanvasAgg(made)
    return made, list(made.subplots(1, columns, squeeze=False)[0])


def stages() -> Figure:
    made, axes = figure(3)
    for number, place in enumerate(axes):
        place.imshow(np.arange(9).reshape(3, 3))
        for i, j in np.ndindex(3, 3):
            place.text(j, i, f"{i * 3.7 - j:g}", ha="center", va="center", color="w")
        place.set_title(f"{number}. convolution")
        place.axis("off")
    made.tight_layout()
    return made


def curves() -> Figure:
    made, axes = figure(2)
    for place in axes:
        place.plot([1, -3, 2e6], label="loss")
        place.set(xlabel="epoch\nby epoch", ylabel="loss", title="$x^2$ costs \\$5")
        place.tick_params(axis="x", rotation=30)
        place.legend(fontsize="small", title="curves")
    made.suptitle("training", family="serif", weight="bold")
    made.tight_layout()
    return made


def constrained() -> Figure:
    made, axes = figure(2, layout="constrained")
    made.colorbar(axes[0].imshow(np.eye(4)), ax=axes[0], label="weight")
    axes[1].bar(["one", "two"], [1, 2])
    twin = axes[1].twinx()
    twin.plot([3, 1])
    twin.set_ylabel("rotated", rotation=270, va="bottom")
    axes[1].annotate("here", (0, 1), (0.5, 1.5), arrowprops={"arrowstyle": "->"}, rotation=-20)
    return made


def wrapped() -> Figure:
    made, axes = figure()
    axes[0].set_title("a title that is longer than there is room " * 3, wrap=True)
    axes[0].text(0.1, 0.5, "دقت آموزش", fontsize=14)
    axes[0].text(0.1, 0.2, "boxed", bbox={"boxstyle": "round"}, rotation=45, antialiased=False)
    axes[0].text(0.6, 0.2, "one\ntwo\n", linespacing=2, ma="right", rotation_mode="anchor")
    return made


def titles_in_the_way() -> Figure:
    """Of the numbers above an axis, of ticks on top, of twins and of what is turned off."""
    made, axes = figure(6)
    for number, place in enumerate(axes):
        place.plot([1e6, 1e6 + 1, 1e6 + 3])
        place.set_title(f"a long title {number}", loc="left")
        place.set_ylabel("loss", labelpad=number)
    axes[1].xaxis.tick_top()
    axes[1].axis("off")
    axes[2].xaxis.set_label_position("top")
    axes[2].set_yticks([])
    axes[3].twinx().set_title("of a twin", loc="right")
    axes[3].yaxis.set_visible(False)
    axes[4].tick_params(left=False, labelleft=False)
    axes[4].inset_axes((0.2, 1.1, 0.5, 0.3)).set(title="inset", yticks=[1e9, 2e9])
    axes[5].sharey(axes[0])
    made.align_labels()
    made.tight_layout()
    return made


def projections() -> Figure:
    made = Figure(figsize=(8, 3))
    FigureCanvasAgg(made)
    for number, projection in enumerate(("polar", "3d")):
        place = made.add_subplot(1, 2, number + 1, projection=projection, title=projection)
        place.plot([1, 2, 3], [1e6, 2e6, 4e6])
    made.tight_layout()
    return made


def other_settings() -> Figure:
    with mpl.rc_context({"font.size": 7, "font.family": ["monospace"], "text.hinting": "none"}):
        return drawn(curves())


def drawn(made: Figure) -> Figure:
    made.canvas.draw()
    return made


def pixels(made: Figure, dpi: float | None = None) -> bytes:
    file = io.BytesIO()
    made.savefig(file, format="rgba", dpi=dpi or made.dpi, bbox_inches="tight")
    return file.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        *(stages, curves, constrained, wrapped, other_settings),
        *(titles_in_the_way, projections),
    ],
)
def test_every_pixel_is_as_it_was(make: Callable[[], Figure], quicken: Callable[[], None]) -> None:
    def look() -> list[bytes]:
        made = make()  # drawn again and again: what is known by then must not show
        return [pixels(made), pixels(made, 61.3), pixels(made)]

    usual = look()
    quicken()
    assert look() == usual


def test_other_settings_are_heeded_at_once(quicken: Callable[[], None]) -> None:
    def width() -> float:
        made, _ = figure()
        text = made.text(0.5, 0.5, "measured")
        return float(text.get_window_extent(made.canvas.get_renderer()).width)  # type: ignore[attr-defined]

    quicken()
    before = width()
    mpl.rcParams["font.size"] = 30
    assert width() > 2 * before
    mpl.rcParams["font.size"] = 10
    assert width() == before
    mpl.rcParams["font.sans-serif"].insert(0, "DejaVu Serif")  # in place, as notebooks do
    assert width() != before
    mpl.rcParams["font.sans-serif"].pop(0)
    assert width() == before


def test_a_missing_character_is_warned_of_every_time_where_it_is_drawn(
    quicken: Callable[[], None],
) -> None:
    def told() -> list[tuple[str, int]]:
        made, axes = figure()
        axes[0].set_title("漢")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made.tight_layout()
            drawn(made)
        return [(warning.filename, warning.lineno) for warning in caught]

    usual = [told(), told()]
    assert all(usual)
    assert {name for places in usual for name, _ in places} == {__file__}
    quicken()
    assert [told(), told()] == usual


def test_a_missing_font_is_told_of_every_time(
    quicken: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> int:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            made, _ = figure()
            made.text(0.5, 0.5, "written", family="Nobody's Own")
            drawn(made)
        return sum("not found" in record.message for record in caplog.records)

    usual = told()
    assert usual > 1
    quicken()
    assert [told(), told()] == [usual, usual]


def test_another_matplotlib_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in PATCHED:
        monkeypatch.setattr(owner, name, lambda self, another: None)
    before = patched()
    quicken_texts()
    quicken_titles()
    assert patched() == before
