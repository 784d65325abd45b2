"""Figures as Jupyter shows them, cropped to what is drawn, in half the time.

matplotlib's ``bbox_inches="tight"`` lays a figure out to find its edges, and then once more to
draw it; a notebook's figures cost more than its networks. Here it is drawn once, with room around
it, and its edges are those of what was drawn. What needs more room than that is laid out first.
"""

from __future__ import annotations

import contextlib
import importlib
import struct
import sys
import zlib
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from typing import Any, Final

_PRINTED: Final = {"fmt": "png", "bbox_inches": "tight"}
_ROOM: Final = 0.5
"""Around a figure for what lies outside it, in inches."""


def crop_figures() -> None:
    """Have IPython print figures by :func:`cropped` where that can."""
    from IPython.core import pylabtools

    usual: Callable[..., Any] = pylabtools.print_figure

    def print_figure(
        fig: Any, fmt: str = "png", bbox_inches: Any = "tight", base64: bool = False, **options: Any
    ) -> Any:
        if {"fmt": fmt, "bbox_inches": bbox_inches} == _PRINTED and not options:
            with contextlib.suppress(Exception):  # the usual way tells what is wrong
                if (data := cropped(fig)) is not None:
                    return b2a_base64(data, newline=False).decode("ascii") if base64 else data
        return usual(fig, fmt, bbox_inches, base64, **options)

    pylabtools.print_figure = print_figure


def cropped(fig: Any) -> bytes | None:
    """Return a figure as PNG, cropped to what is drawn and a margin.

    None if it may need more room, or is none that is drawn on a canvas of pixels.
    """
    import matplotlib as mpl
    import numpy as np

    if not (fig.axes or fig.lines) or fig.subfigs or not hasattr(fig.canvas, "print_rgba"):
        return None
    box = fig.bbox_inches.padded(_ROOM)
    drawn = _Drawn()
    colours = {"facecolor": fig.get_facecolor(), "edgecolor": fig.get_edgecolor()}
    with _laid_out_already(fig):
        fig.canvas.print_figure(drawn, format="rgba", dpi=fig.dpi, bbox_inches=box, **colours)
    # matplotlib cuts off to whole pixels what may be a hair below or above them here.
    wide, tall = box.width * fig.dpi, box.height * fig.dpi
    sizes = [(h, w) for w in (int(wide), round(wide)) for h in (int(tall), round(tall))]
    shape = next((h, w) for h, w in sizes if 4 * h * w == drawn.pixels.nbytes)
    pixels = np.frombuffer(drawn.pixels, np.uint8).reshape(*shape, 4)
    values = pixels.view(np.uint32)[..., 0]
    differs = values != values[0, 0]
    rows, columns = (np.flatnonzero(differs.any(axis)) for axis in (1, 0))
    if not len(rows) or differs[[0, -1]].any() or differs[:, [0, -1]].any():
        return None
    room = fig.bbox.padded(_ROOM * fig.dpi)
    renderer = _measuring(fig)
    if not all(_is_inside(room, artist, renderer) for artist in _reaching_out(fig)):
        return None
    margin = round(mpl.rcParams["savefig.pad_inches"] * fig.dpi)
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    return _png(pixels[top : rows[-1] + margin + 1, left : columns[-1] + margin + 1], fig.dpi)


class _Drawn:
    """A file that keeps the pixels that a canvas writes where they are."""

    pixels: memoryview

    def write(self, pixels: memoryview) -> None:
        """Take all at once."""
        self.pixels = pixels

    def seek(self, *_: object) -> None:
        """What matplotlib knows a file by."""


def _measuring(fig: Any) -> Any:
    """Return what measures texts as the canvas of `fig` does, without pixels to draw on."""
    agg: Any = importlib.import_module("matplotlib.backends.backend_agg")
    return agg.RendererAgg(1, 1, fig.dpi)


def _png(pixels: Any, dpi: float) -> bytes:
    """Compress pixels; without their opacity where all is opaque, and no longer than is worth it.

    About as many bytes as by Pillow, of which most of the time goes into which of five ways to
    tell a row from the one before takes the fewest. Here each is the difference to the row above.
    """
    import numpy as np

    high, wide, channels = pixels.shape
    if pixels[..., 3].min() == 255:
        channels = 3
    rows = np.empty((high, 1 + channels * wide), np.uint8)
    values = rows[:, 1:].reshape(high, wide, channels)
    for channel in range(channels):
        values[..., channel] = pixels[..., channel]
    rows[1:, 1:] -= rows[:-1, 1:].copy()
    rows[:, 0] = 2  # "up"; above the first row all is 0
    per_metre = round(dpi / 0.0254)
    header = struct.pack(">IIBBBBB", wide, high, 8, 2 if channels == 3 else 6, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)),
        (b"IDAT", zlib.compress(rows.data, 1)),
        (b"IEND", b""),
    )
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in chunks:
        check = zlib.crc32(data, zlib.crc32(kind))
        parts += [struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)]
    return b"".join(parts)


@contextlib.contextmanager
def _laid_out_already(fig: Any) -> Iterator[None]:
    """Spare a figure the layout for which ``tight_layout`` left no more than a placeholder."""
    engine = fig.get_layout_engine()
    if type(engine).__name__ != "PlaceHolderLayoutEngine":
        yield
        return
    fig._layout_engine = None
    try:
        yield
    finally:
        fig._layout_engine = engine


def _reaching_out(fig: Any) -> Iterator[Any]:
    """What may lie outside without touching the border: axes, legends, texts, tables."""
    yield from (*fig.texts, *fig.legends)
    for axes in fig.axes:
        yield from (axes, *axes.texts, *axes.tables, *axes.artists, *axes.child_axes)
        yield from (axes.title, axes.xaxis.label, axes.yaxis.label)
        if (legend := axes.get_legend()) is not None:
            yield legend


def _is_inside(room: Any, artist: Any, renderer: Any) -> bool:
    """Whether no part of an artist is outside, or one that is goes through the border."""
    if not artist.get_visible():
        return True
    if hasattr(artist, "get_unitless_position"):  # a text: where it is anchored costs less to tell
        if not artist.get_text():
            return True
        corners = [artist.get_transform().transform(artist.get_unitless_position())]
    else:
        corners = artist.get_window_extent(renderer).get_points()
    return all(room.x0 <= x <= room.x1 and room.y0 <= y <= room.y1 for x, y in corners)


def draw_nothing() -> None:
    """Draw no figure that is shown from now on: for where nobody sees what is displayed."""
    with contextlib.suppress(Exception):  # whatever the notebook put in its place
        shell: Callable[[], Any] = sys.modules["IPython"].get_ipython
        shell().display_formatter.active_types = ["text/plain"]
