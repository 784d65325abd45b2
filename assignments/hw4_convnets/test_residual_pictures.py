"""Practice 1: every stage is shown as a picture, all in one figure or each in its own.

Saved pictures count, and so do those that the cells draw when they are run: outputs get stripped.
"""

import re
from weakref import WeakKeyDictionary

import pytest

pytestmark = pytest.mark.question("residual-block")

DRAWING = re.compile("imshow|matshow|pcolor|heatmap|show_stages")
PANELS = re.compile(r"subplots?\s*\(|show_stages|add_subplot|subplot_mosaic")


_pictures = WeakKeyDictionary()


def pictures(student):
    """Return the number of pictures of matrices, and whether one of them shows several stages."""
    subject = student.subject
    if subject not in _pictures:
        drawers = [n for n, f in student.source.functions.items() if DRAWING.search(f.source)]
        calls = [rf"\b{re.escape(name)}\s*\(" for name in drawers]
        pattern = re.compile("|".join([DRAWING.pattern, *calls]), re.IGNORECASE)
        saved, drawn = (
            [c for c in outputs.cells if c.images and not c.tagged and pattern.search(c.source)]
            for outputs in (subject.saved, subject.executed)
        )
        cells = max(saved, drawn, key=lambda found: sum(c.images for c in found))
        code = "\n".join(c.source for c in cells)
        code += "\n".join(student.source.definition(n) or "" for n in drawers if n in code)
        _pictures[subject] = sum(c.images for c in cells), bool(PANELS.search(code))
    return _pictures[subject]


def expect_picture(student, expect, stage: int) -> None:
    """Expect a picture for stage number `stage`, counted in the cells that draw matrices."""
    number, several = pictures(student)
    expect.satisfies(several or number >= stage, "stage-without-picture")


@pytest.mark.part("convolution", points=0.5)
def test_picture_of_the_convolution(student, expect):
    expect_picture(student, expect, 1)


@pytest.mark.part("relu", points=0.5)
def test_picture_of_relu(student, expect):
    expect_picture(student, expect, 2)


@pytest.mark.part("shortcut", points=0.5)
def test_picture_of_the_shortcut(student, expect):
    expect_picture(student, expect, 3)


@pytest.mark.part("max-pool", points=0.5)
def test_picture_of_max_pooling(student, expect):
    expect_picture(student, expect, 4)


@pytest.mark.part("global-average", points=0.5)
def test_picture_of_the_global_average(student, expect):
    expect_picture(student, expect, 5)
