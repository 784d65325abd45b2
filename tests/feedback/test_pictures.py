from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import image as pictures_of

from grader.feedback.evidence import Curve
from grader.feedback.pictures import (
    Drawing,
    curves_plot,
    distribution,
    heat_map,
    score_bar,
    shape_diagram,
)

SVG = "{http://www.w3.org/2000/svg}"


def read(drawing: Drawing | None, label: str = "a picture") -> ElementTree.Element:
    assert drawing is not None
    svg = str(drawing.labelled(label)).replace(
        "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1
    )
    return ElementTree.fromstring(svg)


def test_a_picture_has_a_name_and_no_style_attribute() -> None:
    root = read(heat_map([[0.0, 1.0]], [0, 1]), 'size of "the" <difference>')
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'size of "the" <difference>'
    assert all(element.get("style") is None for element in root.iter())


def test_the_worst_entry_is_framed_where_it_is() -> None:
    root = read(heat_map([[0.0, 0.5, 0.0], [0.0, 0.0, 2.0]], [1, 2]))
    frame = next(e for e in root.iter(f"{SVG}rect") if e.get("class") == "worst")
    numbers = {e.text: e for e in root.iter(f"{SVG}text") if e.text in ("2", "0.5")}
    x, y, side = (float(frame.get(k, "nan")) for k in ("x", "y", "width"))
    shown = root.findall(f"{SVG}g[@class='number strong']/{SVG}text")
    assert [e.text for e in shown] == ["2"]
    assert x < float(shown[0].get("x", "nan")) < x + side
    assert y < float(shown[0].get("y", "nan")) < y + side
    assert "0.5" in numbers


def test_larger_differences_are_stronger_and_none_is_empty() -> None:
    root = read(heat_map([[0.0, 1.0, 4.0]], None))
    paths = [e for e in root.iter(f"{SVG}path") if e.get("class") == "square"]
    strengths = {
        re.match(r"M(\d+)", e.get("d", ""))[1]: float(e.get("fill-opacity", "nan"))  # type: ignore[index]
        for e in paths
    }
    assert [strengths[x] for x in sorted(strengths, key=int)] == sorted(strengths.values())
    assert len(strengths) == 2, "what does not differ is not drawn"
    assert max(strengths.values()) == 1


def test_a_large_map_is_a_picture_of_the_same_numbers() -> None:
    matrix = np.random.default_rng(0).random((40, 64))
    root = read(heat_map(matrix.tolist(), [3, 5]))
    href = next(root.iter(f"{SVG}image")).get("href", "")
    png = base64.b64decode(href.removeprefix("data:image/png;base64,"))
    opacity = pictures_of.imread(io.BytesIO(png), format="png")[..., 3]
    np.testing.assert_allclose(opacity, matrix / matrix.max(), atol=1 / 255)
    assert len(href) < 64 * 64 * 3


def test_values_that_are_no_numbers_are_as_bad_as_can_be() -> None:
    root = read(heat_map([["nan", 0.0, "inf", None]], None))
    assert [e.text for e in root.findall(f"{SVG}g[@class='number strong']/{SVG}text")] == [
        "nan",
        "inf",
        "nan",
    ]


def test_an_empty_map_is_not_drawn() -> None:
    assert heat_map([], None) is None
    assert heat_map([[]], None) is None


def test_axes_that_differ_are_marked_from_the_last_one() -> None:
    root = read(shape_diagram([8, 64, 16], [64, 16]))
    kinds = {e.text: e.get("class") for e in root.iter(f"{SVG}text")}
    assert kinds == {"8": "axis differs", "64": "axis", "16": "axis"}


@pytest.mark.parametrize("other", [None, [], [3], [2, 0, 3]])
@pytest.mark.parametrize("shape", [[], [0], [1], [7], [3, 0], [2, 3, 5, 7, 11], [1, 100000000]])
def test_every_shape_can_be_drawn(shape: list[int], other: list[int] | None) -> None:
    root = read(shape_diagram(shape, other))
    width = float(root.get("width", "nan"))
    assert width < 260
    for rectangle in root.iter(f"{SVG}rect"):
        assert 0 <= float(rectangle.get("x", "nan"))
        assert float(rectangle.get("x", "nan")) + float(rectangle.get("width", "nan")) <= width


def test_a_gap_parts_a_curve_and_the_end_is_named() -> None:
    root = read(curves_plot([Curve("val loss", [1, 2, 3, 4, 5], [3.0, 2.0, "nan", 1.0, 0.5])]))
    assert len([e for e in root.iter(f"{SVG}path") if e.get("class") == "curve curve-0"]) == 2
    assert "val loss" in [e.text for e in root.iter(f"{SVG}text")]


def test_a_falling_curve_falls() -> None:
    root = read(curves_plot([Curve("loss", [1, 2, 3], [3.0, 2.0, 1.0])]))
    path = next(e for e in root.iter(f"{SVG}path") if e.get("class") == "curve curve-0").get(
        "d", ""
    )
    points = [tuple(map(float, p.split())) for p in path[1:].split("L")]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points)  # y grows downwards


def test_curves_differ_by_more_than_colour() -> None:
    root = read(curves_plot([Curve(n, [1, 2], [k, k + 1.0]) for k, n in enumerate(("a", "b"))]))
    assert {"a", "b"} <= {e.text for e in root.iter(f"{SVG}text")}


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1], [2.0]),
        ([1, 2], [5.0, 5.0]),
        ([1, 2, 3], [1.0]),
        ([0, 1], [1e300, -1e300]),
        ([1, 1], [1e-300, 2e-300]),
    ],
)
def test_odd_curves_can_be_drawn(x: list[float], y: list[float]) -> None:
    assert read(curves_plot([Curve("c", list(x), list(y))])).tag == f"{SVG}svg"


def test_a_curve_without_a_finite_point_is_not_drawn() -> None:
    assert curves_plot([Curve("c", [1, 2], ["nan", None])]) is None


def test_a_long_curve_is_thinned_but_keeps_its_ends() -> None:
    drawing = curves_plot([Curve("c", list(range(20_000)), [float(k) for k in range(20_000)])])
    assert drawing is not None
    assert len(drawing.body) < 8_000
    assert "19999" not in drawing.body or drawing.body.count("L") < 200


def test_the_bar_shows_decided_and_pending_in_proportion() -> None:
    bar = str(score_bar(30, 20, 100, "30 of 100"))
    assert 'class="earned" x="0" y="0" width="300"' in bar
    assert 'class="waiting" x="300" y="0" width="200"' in bar


def test_bins_of_a_distribution_are_as_tall_as_they_are_full() -> None:
    root = read(distribution([0, 2, 4], ["0", "2", "4"], ["0", "1", "2", "3"]))
    heights = [float(e.get("height", "nan")) for e in root.iter(f"{SVG}rect")]
    assert heights[0] == 0
    assert heights[2] == pytest.approx(2 * heights[1])
