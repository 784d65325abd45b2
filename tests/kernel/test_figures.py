"""Figures look as Jupyter shows them, and none is drawn where nobody sees it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from grader.kernel.caged.figures import cropped
from tests.kernel.notebooks import Execute

Pixels = npt.NDArray[np.float32]


def figure(**options: object) -> Figure:
    made = Figure(**options)
    FigureCanvasAgg(made)
    return made


def curves() -> Figure:
    made = figure()
    axes = made.add_subplot()
    axes.plot([1, 3, 2], label="loss")
    axes.set(xlabel="epoch", ylabel="loss", title="training")
    axes.legend()
    return made


def images(**options: object) -> Figure:
    made = figure(figsize=(12, 3), facecolor="lightgrey", **options)
    for number in range(4):
        axes = made.add_subplot(1, 4, number + 1)
        axes.imshow(np.eye(5))
        axes.set_title(f"map {number}")
        axes.axis("off")
    return made


def tight() -> Figure:
    made = images()
    made.tight_layout()
    return made


def legend_beside() -> Figure:
    made = curves()
    made.axes[0].legend(bbox_to_anchor=(1.01, 1), loc="upper left")
    return made


def filling() -> Figure:
    made = figure()
    made.add_axes((0, 0, 1, 1)).imshow(np.eye(5), aspect="auto")
    return made


def uneven() -> Figure:
    made = figure(figsize=(5.3377, 3.3333))
    made.add_subplot().plot([1, 3, 2])
    return made


def legend_far_away() -> Figure:
    made = curves()
    made.axes[0].legend(bbox_to_anchor=(1.6, 1), loc="upper left")
    return made


def text_far_away() -> Figure:
    made = curves()
    made.text(0.5, -0.6, "a caption")
    return made


def long_labels() -> Figure:
    made = curves()
    made.axes[0].set_xticks([0, 1], ["a class with a name " * 4] * 2, rotation=90)
    return made


def as_usual(made: Figure) -> Pixels:
    file = io.BytesIO()
    made.savefig(
        file, format="png", dpi=made.dpi, bbox_inches="tight", facecolor=made.get_facecolor()
    )
    return pixels_of(file.getvalue())


def pixels_of(png: bytes) -> Pixels:
    read: Pixels = mpl.image.imread(io.BytesIO(png), format="png")
    return read[..., :3]


def drawn(pixels: Pixels) -> Pixels:
    """What is drawn, without the margin."""
    differs = (pixels != pixels[0, 0]).any(axis=2)
    rows, columns = (np.flatnonzero(differs.any(axis)) for axis in (1, 0))
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize(
    "make",
    [
        *(curves, images, tight, lambda: images(layout="constrained"), legend_beside, filling),
        *(lambda: images(dpi=91.7), uneven),
    ],
    ids=[
        *("curves", "images", "tight", "constrained", "legend beside", "filling"),
        *("an uneven resolution", "an uneven size"),
    ],
)
def test_a_figure_shows_what_it_does_in_jupyter(make: Callable[[], Figure]) -> None:
    png = cropped(make())
    assert png is not None
    ours, usual = pixels_of(png), as_usual(make())
    assert np.abs(np.subtract(drawn(ours).shape, drawn(usual).shape)).max() <= 1
    # Both have a margin of a tenth of an inch, theirs around what takes part in the layout.
    assert np.abs(np.subtract(ours.shape, usual.shape)).max() <= 12
    assert abs(drawn(ours).mean() - drawn(usual).mean()) < 0.01


@pytest.mark.parametrize("make", [legend_far_away, text_far_away, long_labels])
def test_what_needs_more_room_is_laid_out(make: Callable[[], Figure]) -> None:
    assert cropped(make()) is None


def test_a_figure_is_shown_whole_by_a_cell(execute: Execute) -> None:
    run = execute(
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"
        "plt.legend(['far'], bbox_to_anchor=(1.6, 1), loc='upper left')\nplt.show()",
        "plt.plot([1, 2])\nplt.title('near')\nplt.show()",
    )
    sizes = []
    for cell in run.notebook.cells:
        picture = next(o for o in cell.outputs if "image/png" in o.get("data", {}))
        sizes.append(pixels_of(base64.b64decode(picture.data["image/png"])).shape[1])
    assert sizes[0] > sizes[1] * 1.3


def test_a_question_draws_no_figure(execute: Execute) -> None:
    run = execute(
        "import matplotlib.pyplot as plt\n"
        "from matplotlib.lines import Line2D\n"
        "drawn = []\n"
        "class Line(Line2D):\n"
        "    def draw(self, renderer):\n"
        "        drawn.append(1)\n"
        "        super().draw(renderer)\n"
        "def show():\n"
        "    plt.gca().add_line(Line([0, 1], [0, 1]))\n"
        "    plt.show()\n"
        "    return len(drawn)\n"
        "before = show()"
    )
    with run.probe() as probe:
        before = probe.variables()["before"]
        assert before >= 1
        assert probe.call("show") == before
