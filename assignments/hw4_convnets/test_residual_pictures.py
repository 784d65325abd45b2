"""Practice 1: every stage is shown as a picture, all in one figure or each in its own.

Saved pictures count, and so do those that the cells draw when they are run: outputs get stripped.
"""

import re

import pytest

from grader.checks.recorded import Recorded

pytestmark = pytest.mark.question("residual-block")

DRAWING = r"imshow|matshow|pcolor|heatmap|show_stages"
PANELS = r"subplots?\s*\(|show_stages|add_subplot|subplot_mosaic"


def expect_picture(student, expect, stage: int) -> None:
    """Expect a picture for stage number `stage`, counted in the cells that draw matrices."""
    drawers = [
        name
        for name, function in student.source.functions.items()
        if re.search(DRAWING, function.source)
    ]
    pattern = "|".join([DRAWING, *(rf"\b{re.escape(name)}\s*\(" for name in drawers)])
    run = Recorded(student.subject.run.notebook, student.record)
    saved, drawn = (
        [c for c in outputs.matching(pattern) if c.images and not c.tagged]
        for outputs in (student.recorded, run)
    )
    cells = max(saved, drawn, key=lambda found: sum(c.images for c in found))
    code = "\n".join(c.source for c in cells)
    code += "\n".join(student.source.definition(n) or "" for n in drawers if n in code)
    if re.search(PANELS, code):
        return
    expect.satisfies(sum(c.images for c in cells) >= stage, "stage-without-picture")


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
