"""Pictures of evidence as small SVG, drawn here: heat maps, shapes, curves, bars.

A picture takes its colours from the page's custom properties through classes
and ``currentColor``, so that it follows light, dark and print. No picture
carries a style attribute, which the page's content security policy forbids.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence

import msgspec
from markupsafe import Markup, escape

from grader.feedback.evidence import Curve, Number, written

Matrix = Sequence[Sequence[Number]]


def as_float(value: Number) -> float:
    """Return a number of the evidence as a float; what is no number is nan."""
    try:
        return float(value) if value is not None else math.nan
    except ValueError:
        return math.nan


class Drawing(msgspec.Struct, frozen=True):
    """A picture without words: drawn once, named in each language."""

    kind: str
    width: float
    height: float
    body: str

    def labelled(self, label: str) -> Markup:
        """Return the picture as SVG with a name for those who cannot see it."""
        width, height = _n(self.width), _n(self.height)
        return Markup(  # noqa: S704 - numbers and escaped text only
            f'<svg class="picture {self.kind}" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{escape(label)}">{self.body}</svg>'
        )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


# Heat maps

_SMALL = 12
_WITH_NUMBERS = 8


def heat_map(matrix: Matrix, worst: Sequence[int] | None) -> Drawing | None:
    """Draw a matrix of absolute differences; the stronger the larger, the worst one framed.

    Up to 12 x 12 the elements are squares (with their numbers up to 8
    columns); above that the map is a pixel picture, to keep a card small.
    """
    rows, columns = len(matrix), max((len(row) for row in matrix), default=0)
    if not rows or not columns:
        return None
    values = [[as_float(value) for value in row] for row in matrix]
    finite = [v for row in values for v in row if math.isfinite(v)]
    largest = max(finite, default=0.0)
    small = rows <= _SMALL and columns <= _SMALL
    size = (38 if columns <= _WITH_NUMBERS else 26) if small else max(3, 288 // max(rows, columns))
    left, top = 22, 16
    body = [
        _ruler(columns, size, left, 11, across=True),
        _ruler(rows, size, 17, top, across=False),
    ]
    if small:
        body += _squares(values, largest, size, left, top, numbers=columns <= _WITH_NUMBERS)
    else:
        body.append(
            f'<image x="{left}" y="{top}" width="{columns * size}" height="{rows * size}" '
            f'preserveAspectRatio="none" class="pixels" href="{_pixels(values, largest)}"/>'
            f'<rect class="frame" x="{left}" y="{top}" width="{columns * size}" '
            f'height="{rows * size}"/>'
        )
    if worst is not None and len(worst) == 2 and worst[0] < rows and worst[1] < columns:
        i, j = worst
        margin = 1 if small else -2
        body.append(
            f'<rect class="worst" x="{left + j * size + margin}" y="{top + i * size + margin}" '
            f'width="{size - 2 * margin}" height="{size - 2 * margin}" rx="3"/>'
        )
    return Drawing("heat", left + columns * size + 3, top + rows * size + 3, "".join(body))


def _ruler(count: int, size: int, x: int, y: int, *, across: bool) -> str:
    step = 1 if size >= 20 else next(s for s in (2, 4, 8, 16, 32, 64) if s * size >= 24)
    marks = []
    for k in range(0, count, step):
        middle = k * size + size / 2
        place = (x + middle, y) if across else (x, y + middle + 3)
        marks.append(f'<text x="{_n(place[0])}" y="{_n(place[1])}">{k}</text>')
    anchor = "middle" if across else "end"
    return f'<g class="tick" text-anchor="{anchor}">{"".join(marks)}</g>'


def _squares(
    values: Sequence[Sequence[float]],
    largest: float,
    size: int,
    left: int,
    top: int,
    *,
    numbers: bool,
) -> list[str]:
    """Draw what differs in ten strengths, one path for each, its numbers above, on a grid."""
    strengths: dict[int, list[str]] = {}
    written_on: dict[bool, list[str]] = {False: [], True: []}
    side = size - 2
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            if value == 0:
                continue
            share = _share(value, largest)
            x, y = left + j * size, top + i * size
            square = f"M{x + 1} {y + 1}h{side}v{side}h-{side}z"
            strengths.setdefault(math.ceil(9 * share), []).append(square)
            written_on[share > 0.5].append(
                f'<text x="{_n(x + size / 2)}" y="{_n(y + size / 2 + 4)}">{_tiny(value)}</text>'
            )
    width, height = size * len(values[0]), size * len(values)
    grid = [f"M{left} {top + y}h{width}" for y in range(0, height + 1, size)]
    grid += [f"M{left + x} {top}v{height}" for x in range(0, width + 1, size)]
    body = [f'<path class="frame" d="{"".join(grid)}"/>']
    body += [
        f'<path class="square" fill-opacity="{0.1 + 0.1 * strength:.1f}" d="{"".join(squares)}"/>'
        for strength, squares in sorted(strengths.items())
    ]
    if numbers:
        body += [
            f'<g class="number{" strong" if strong else ""}" text-anchor="middle">'
            f"{''.join(texts)}</g>"
            for strong, texts in written_on.items()
            if texts
        ]
    return body


def _share(value: float, largest: float) -> float:
    if not math.isfinite(value):
        return 1.0
    return min(abs(value) / largest, 1.0) if largest > 0 else 0.0


def _tiny(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    shown = f"{value:.3g}"
    return shown if len(shown) <= 6 else f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")


def _pixels(values: Sequence[Sequence[float]], largest: float) -> str:
    """Return the matrix as a ``data:`` PNG of one colour whose opacity is the value."""
    width = max(len(row) for row in values)
    lines = bytearray()
    for row in values:
        lines.append(0)
        for j in range(width):
            share = _share(row[j], largest) if j < len(row) else 0.0
            lines += bytes((0xD2, 0x4B, 0x35, round(255 * share)))
    header = struct.pack(">IIBBBBB", width, len(values), 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(lines), 9)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


# Shapes


def shape_diagram(shape: Sequence[int], other: Sequence[int] | None) -> Drawing:
    """Draw a shape: its last two axes as a rectangle, the axis before as sheets behind it.

    Below stand all the axes, lined up from the right as in broadcasting; those
    that differ from `other` are marked.
    """
    rows, columns = _drawn_size(shape)
    sheets = min(4, shape[-3]) if len(shape) > 2 else 1
    step = 5
    boxes = max(len(shape), 1)
    width = max(columns + step * (sheets - 1), boxes * 42) + 8
    picture_height = 76
    x0 = (width - columns - step * (sheets - 1)) / 2
    y0 = (picture_height - rows - step * (sheets - 1)) / 2
    body = [
        f'<rect class="sheet" x="{_n(x0 + k * step)}" y="{_n(y0 + (sheets - 1 - k) * step)}" '
        f'width="{_n(columns)}" height="{_n(rows)}" rx="2"/>'
        for k in reversed(range(sheets))
    ]
    start = (width - boxes * 42) / 2
    top = picture_height + 6
    axes = [str(axis) for axis in shape] or ["·"]
    for k, axis in enumerate(axes):
        differs = (
            bool(shape)  # a lone number has no axis that could differ
            and other is not None
            and (len(shape) - k > len(other) or other[len(other) - (len(shape) - k)] != shape[k])
        )
        x = start + k * 42
        kind = "axis differs" if differs else "axis"
        body.append(
            f'<rect class="{kind}" x="{_n(x + 2)}" y="{top}" width="38" height="24" rx="4"/>'
            f'<text class="{kind}" x="{_n(x + 21)}" y="{top + 16}" text-anchor="middle">'
            f"{escape(axis)}</text>"
        )
    return Drawing("shape", width, top + 28, "".join(body))


def _drawn_size(shape: Sequence[int]) -> tuple[float, float]:
    """Return rows and columns of the drawn rectangle, in pixels, growing with the logarithm."""
    if not shape:
        return 10, 10
    rows, columns = (shape[-2], shape[-1]) if len(shape) > 1 else (1, shape[-1])
    lengths = [10 + 10 * math.log2(max(axis, 1)) if axis else 4 for axis in (rows, columns)]
    scale = min(1.0, 52 / lengths[0], 120 / lengths[1])
    return max(lengths[0] * scale, 6), max(lengths[1] * scale, 6)


# Curves

_MAX_POINTS = 160
_PLOT = (380, 220)


def curves_plot(curves: Sequence[Curve]) -> Drawing | None:
    """Draw curves with axes; each has its own colour, dashes and marker, and its name beside it."""
    points = [_points(curve) for curve in curves]
    everything = [point for line in points for segment in line for point in segment]
    if not everything:
        return None
    width, height = _PLOT
    left, right, top, bottom = 44, 92, 12, 28
    x_low, x_high = _span([x for x, _ in everything])
    y_low, y_high = _span([y for _, y in everything])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (x - x_low) / (x_high - x_low) * (width - left - right),
            height - bottom - (y - y_low) / (y_high - y_low) * (height - top - bottom),
        )

    heights = [(tick, place(x_low, tick)[1]) for tick in _ticks(y_low, y_high)]
    sides = [(tick, place(tick, y_low)[0]) for tick in _ticks(x_low, x_high, 6)]
    grid = "".join(f"M{left} {_n(y)}H{width - right}" for _, y in heights)
    body = [
        f'<path class="grid" d="{grid}"/><g class="tick" text-anchor="end">',
        *(f'<text x="{left - 7}" y="{_n(y + 4)}">{tick:.4g}</text>' for tick, y in heights),
        '</g><g class="tick" text-anchor="middle">',
        *(f'<text x="{_n(x)}" y="{height - 9}">{tick:.4g}</text>' for tick, x in sides),
        "</g>",
    ]
    body.append(f'<path class="axes" d="M{left} {top}V{height - bottom}H{width - right}"/>')
    labels: list[tuple[float, float, int, str]] = []
    for k, (curve, line) in enumerate(zip(curves, points, strict=True)):
        for segment in line:
            path = "L".join("{} {}".format(*map(_n, place(*point))) for point in segment)
            body.append(f'<path class="curve curve-{k % 6}" d="M{path}"/>')
        if line:
            end_x, end_y = place(*line[-1][-1])
            body.append(
                f'<circle class="end curve-{k % 6}" cx="{_n(end_x)}" cy="{_n(end_y)}" r="3.5"/>'
            )
            labels.append((end_y, end_x, k, curve.name))
    body += _names(labels, width - right + 9, top, height)
    return Drawing("curves", width, height, "".join(body))


def _names(
    labels: list[tuple[float, float, int, str]], x: float, top: float, height: float
) -> list[str]:
    """Write the names of the curves beside their ends, moved apart where they would overlap."""
    labels.sort()
    placed: list[float] = []
    for wanted, *_ in labels:
        placed.append(max(wanted, placed[-1] + 16) if placed else max(wanted, top + 6))
    overflow = placed[-1] - (height - 12) if placed else 0
    if overflow > 0:
        placed = [y - overflow for y in placed]
    return [
        f'<text class="name curve-{k % 6}" x="{_n(x)}" y="{_n(y + 4)}">{escape(_cut(name, 12))}</text>'
        for y, (_, _, k, name) in zip(placed, labels, strict=True)
    ]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _points(curve: Curve) -> list[list[tuple[float, float]]]:
    """Return the segments of a curve; a value that is not finite parts two segments."""
    segments: list[list[tuple[float, float]]] = [[]]
    pairs = list(zip(map(as_float, curve.x), map(as_float, curve.y), strict=False))
    stride = max(1, math.ceil(len(pairs) / _MAX_POINTS))
    last = len(pairs) - 1
    for k, (x, y) in enumerate(pairs):
        if math.isfinite(x) and math.isfinite(y):
            if k % stride == 0 or k == last:
                segments[-1].append((x, y))
        elif segments[-1]:
            segments.append([])
    return [segment for segment in segments if segment]


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high > low:
        return low, high
    return low - 0.5, high + 0.5


def _ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers (1, 2 or 5 times a power of ten) between `low` and `high`."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 5, 10) if m * power >= rough), 10 * power)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


# Bars


def score_bar(points: float, pending: float, max_points: float, label: str) -> Markup:
    """Draw what is decided, what is pending and what is missed of `max_points`, from the left."""
    whole = max(max_points, points + pending, 1e-9)
    earned, waiting = (1000 * max(part, 0) / whole for part in (points, pending))
    body = [
        '<rect class="rest" x="0" y="0" width="1000" height="10"/>',
        f'<rect class="earned" x="0" y="0" width="{_n(earned)}" height="10"/>',
        f'<rect class="waiting" x="{_n(earned)}" y="0" width="{_n(waiting)}" height="10"/>',
    ]
    return Markup(  # noqa: S704 - numbers and escaped text only
        f'<svg class="score-bar" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{"".join(body)}</svg>'
    )


def distribution(counts: Sequence[int], number: Sequence[str], axis: Sequence[str]) -> Drawing:
    """Draw how many students fall into each bin; `number` and `axis` are the written labels."""
    width, height, bar = 60 * len(counts) + 20, 190, 60
    largest = max([*counts, 1])
    body = [f'<path class="axes" d="M10 {height - 28}H{width - 10}"/>']
    for k, count in enumerate(counts):
        tall = (height - 60) * count / largest
        x, y = 10 + k * bar, height - 28 - tall
        body.append(
            f'<rect class="bin" x="{x + 4}" y="{_n(y)}" width="{bar - 8}" height="{_n(tall)}" rx="3"/>'
        )
        if count:
            body.append(
                f'<text class="count" x="{x + bar / 2}" y="{_n(y - 7)}" text-anchor="middle">'
                f"{escape(number[k])}</text>"
            )
    for k, tick in enumerate(axis):
        body.append(
            f'<text class="tick" x="{10 + k * bar}" y="{height - 10}" text-anchor="middle">'
            f"{escape(tick)}</text>"
        )
    return Drawing("distribution", width, height, "".join(body))


def extremes(curve: Curve) -> tuple[str, str, str, str]:
    """Return first, last, lowest and highest value of a curve, written as code writes numbers."""
    values = [value for value in map(as_float, curve.y) if math.isfinite(value)]
    if not values:
        return ("–", "–", "–", "–")
    return (written(values[0]), written(values[-1]), written(min(values)), written(max(values)))
