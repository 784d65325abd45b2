"""Practice 1: five stages of a residual block, each judged on what the student's own stages give.

A stage may be answered with a function, with its result alone, or with both. Where there is no
function, the student's own cells are run again on another image: ReLU changes nothing in the given
one, so the result alone would not show that it was applied.
"""

import ast
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from grader.checks import Answer, one_of
from grader.checks.outcome import Failed, Missing, Shortfall

pytestmark = pytest.mark.question("residual-block")

ALLOWED = {"numpy", "matplotlib", *sys.stdlib_module_names}

PADDING = one_of(("padding", "pad", "p"), 1)
STRIDE = one_of(("stride", "strides", "s"), 1)
WINDOW = one_of(("size", "pool_size", "kernel_size", "k", "window", "f"), 2)
HOP = one_of(("stride", "strides", "s"), 2)


@dataclass(frozen=True)
class Stage:
    """One stage: its function, its result, and known wrong results of the same arguments.

    ``ways`` are the keywords to call it with: the first that the student's function takes are used.
    """

    function: str
    result: str
    wrong: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    ways: tuple[Mapping[str, Any], ...] = ({},)

    def inputs(self, reference, x, image, kernel):
        """Return the arguments: what the stage before gave, and what else this one needs."""
        more = {"conv2d": (kernel,), "add_shortcut": (image,)}
        return (x, *more.get(self.function, ()))


def windows(x):
    """Return the four entries of every 2×2 window."""
    x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2]
    return np.stack([x[::2, ::2], x[::2, 1::2], x[1::2, ::2], x[1::2, 1::2]])


def correlated(image, kernel, mode):
    """Return the cross-correlation of an image padded as `mode` says, None for not at all."""
    padded = image if mode is None else np.pad(image, 1, mode=mode)
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return (views * kernel).sum(axis=(2, 3))


CONVOLUTION = Stage(
    "conv2d",
    "conv_out",
    {
        "kernel-rotated": lambda x, k: correlated(x, k[::-1, ::-1], "constant"),
        "kernel-transposed": lambda x, k: correlated(x, k.T, "constant"),
        "no-padding": lambda x, k: correlated(x, k, None),
        "edge-padding": lambda x, k: correlated(x, k, "edge"),
    },
    ({"padding": PADDING}, {"padding": PADDING, "stride": STRIDE}, {}),
)
RELU = Stage(
    "relu",
    "relu_out",
    {
        "relu-does-nothing": lambda x: x,
        "relu-is-absolute": abs,
        "relu-reversed": lambda x: np.minimum(x, 0),
        "relu-is-leaky": lambda x: np.where(x > 0, x, 0.01 * x),
    },
)
SHORTCUT = Stage(
    "add_shortcut",
    "residual_out",
    {
        "shortcut-not-added": lambda x, s: np.maximum(x, 0),
        "no-relu-after-the-sum": lambda x, s: x + s,
        "relu-before-the-shortcut": lambda x, s: np.maximum(x, 0) + s,
    },
)
POOLING = Stage(
    "max_pool",
    "pooled",
    {
        "mean-for-maximum": lambda x: windows(x).mean(axis=0),
        "minimum-for-maximum": lambda x: windows(x).min(axis=0),
        "windows-overlap": lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2)).max(
            (2, 3)
        ),
        "leftover-kept": lambda x: windows(
            np.pad(x, [(0, n % 2) for n in x.shape], constant_values=-np.inf)
        ).max(axis=0),
    },
    ({}, {"size": WINDOW, "stride": HOP}, {"size": WINDOW}),
)
AVERAGE = Stage(
    "global_average",
    "average",
    {
        "sum-for-average": np.sum,
        "maximum-for-average": np.max,
        "average-of-rows": lambda x: x.mean(axis=1),
        "average-of-columns": lambda x: x.mean(axis=0),
    },
)
STAGES = (CONVOLUTION, RELU, SHORTCUT, POOLING, AVERAGE)


# ---- the student's stages ------------------------------------------------------------------------


def forbid_other_libraries(student, expect, name, before=None):
    """Expect NumPy and Matplotlib alone behind `name`, apart from what the stage before used."""
    modules = student.source.modules_behind(name) - ALLOWED
    if before is not None:
        modules -= student.source.modules_behind(before)
    used = {"what": name, "claimed": "numpy, matplotlib", "found": ", ".join(sorted(modules))}
    expect.satisfies(not modules, "other-library", claims=[{**used, "agrees": False}])


def result(student, reference, stage) -> Answer:
    """Return the student's result of a stage: under its name, an alias, or by its value."""
    if stage is RELU:  # equals the result before it: only its name can tell the two apart
        functions = {*student.source.functions, *student.source.classes}
        relus = [n for n in student.source.names if "relu" in n.lower() and n not in functions]
        return student.value(stage.result, aliases=relus)
    return student.value(stage.result, like=np.asarray(getattr(reference, stage.result)))


def result_or_none(student, reference, stage) -> Answer | None:
    """Return the student's result of a stage, None where there is none that can be read."""
    try:
        answer = result(student, reference, stage)
        readable = answer.array.size > 0
    except Shortfall:
        return None
    return answer if readable else None


def call(function, stage, inputs) -> Answer:
    """Call the student's function of a stage in the first way that it takes."""
    for keywords in stage.ways[:-1]:
        try:
            return function(*inputs, **keywords)
        except Failed as failure:
            if failure.evidence.get("kind") in ("exception", "timeout"):
                raise
    return function(*inputs, **stage.ways[-1])


def carried(apply, inputs) -> Any:
    """Return what a stage makes of the student's own numbers, None where it can make nothing."""
    try:
        return np.asarray(apply(*inputs))
    except (ValueError, IndexError, TypeError):
        return None


def compare(expect, answer, expected, **options) -> None:
    """Compare a result; a single number may come in brackets."""
    single = np.ndim(expected) == 0
    expect(answer.array.squeeze() if single else answer).close(expected, **options)


# ---- the judgement -------------------------------------------------------------------------------


def judge_result(student, reference, expect, stage) -> None:
    """Judge the result of a stage on the given image, given the student's own stage before."""
    place = STAGES.index(stage)
    before = STAGES[place - 1] if place else None
    apply = getattr(reference, stage.function)
    given = reference.image if before is None else getattr(reference, before.result)
    inputs = stage.inputs(reference, given, reference.image, reference.kernel)
    expected = apply(*inputs)
    try:
        answer = result(student, reference, stage)
    except Missing as missing:
        try:  # the function is there and its result was not kept
            answer = call(student.function(stage.function), stage, inputs)
        except Missing:
            raise missing from None
    own = None if before is None else result_or_none(student, reference, before)
    forbid_other_libraries(student, expect, answer.name, own and own.name)
    follow = None
    if own is not None and own.array.ndim == 2 and (own.array != own.array[0, 0]).any():
        inputs = stage.inputs(reference, own.array, reference.image, reference.kernel)
        follow = carried(apply, inputs)
    wrong = {name: carried(mistake, inputs) for name, mistake in stage.wrong.items()}
    compare(
        expect,
        answer,
        expected,
        follow_through=follow,
        misconceptions={name: value for name, value in wrong.items() if value is not None},
    )


def judge_function(student, reference, expect, stage, cases) -> None:
    """Judge the function of a stage on hidden inputs; without one, the student's cells."""
    apply = getattr(reference, stage.function)
    try:
        function = student.function(stage.function, example=(cases[0], apply(*cases[0])))
        answers = [call(function, stage, case) for case in cases]
    except Missing as missing:
        judge_cells(student, reference, expect, stage, missing)
        return
    forbid_other_libraries(student, expect, function.target)
    for case, answer in zip(cases, answers, strict=True):
        wrong = {name: mistake(*case) for name, mistake in stage.wrong.items()}
        own = own_relu(student, sum(case)) if stage is SHORTCUT else None
        compare(expect, answer, apply(*case), misconceptions=wrong, follow_through=own)


def own_relu(student, x) -> Any:
    """Return what the student's own ReLU gives if it has a known slip: stage 3 may build on it."""
    try:
        answer = call(student.function("relu"), RELU, (x,)).array
    except Shortfall:
        return None
    slips = (slip(x) for slip in RELU.wrong.values())
    known = any(answer.shape == x.shape and np.allclose(answer, slip) for slip in slips)
    return answer if known else None


RERUN = """
from IPython import get_ipython

def rerun(sources, given, names):
    namespace = get_ipython().user_ns
    namespace.update(given)
    for source in sources:
        exec(compile(source, "<your cells>", "exec"), namespace)
    return [namespace.get(name) for name in names]
"""


def judge_cells(student, reference, expect, stage, missing) -> None:
    """Judge a stage by running the student's own cells on an image that makes negative numbers."""
    if result_or_none(student, reference, stage) is None:
        raise missing
    names = [result_or_none(student, reference, each) for each in STAGES]
    place = STAGES.index(stage)
    image_name = student.value("image", like=reference.image).name
    image = np.random.default_rng(5).integers(-200, 200, size=(5, 5)).astype(float)
    found = rerun(student, image_name, image, [None if n is None else n.name for n in names])
    previous = image if place == 0 else found[place - 1]
    forbid_other_libraries(student, expect, names[place].name)
    if previous is None or found[place] is None:
        raise missing
    inputs = stage.inputs(reference, np.asarray(previous, dtype=float), image, reference.kernel)
    expected = carried(getattr(reference, stage.function), inputs)
    if expected is None:
        raise missing
    wrong = {name: carried(mistake, inputs) for name, mistake in stage.wrong.items()}
    expect(np.asarray(found[place], dtype=float).reshape(np.shape(found[place]))).close(
        expected, misconceptions={name: value for name, value in wrong.items() if value is not None}
    )
    expect.note("cells-run-again")


def rerun(student, image_name, image, names) -> list[Any]:
    """Run the cells from the given image to the last result, with another image in its place."""
    known = [name for name in names if name is not None]
    first = student.source.cell_of(image_name)
    last = max((cell for n in known if (cell := student.source.cell_of(n)) is not None), default=-1)
    sources = [
        without_assignment(cell.source, image_name)
        for cell in student.recorded.cells
        if first is not None and first <= cell.index <= last
    ]
    answer = student.make(RERUN, "rerun", sources, {image_name: image}, known).value()
    found = dict(zip(known, answer.value, strict=True))
    return [found.get(name) for name in names]


def without_assignment(source: str, name: str) -> str:
    """Return a cell's code without the statements that set `name`, nothing if it is no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    tree.body = [node for node in tree.body if name not in assigned(node)]
    return ast.unparse(tree)


def assigned(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def matrices(rng, *sizes) -> list[np.ndarray]:
    return [rng.integers(-90, 90, size=size).astype(float) for size in sizes]


# ---- stage 1 -------------------------------------------------------------------------------------


@pytest.mark.part("convolution", points=1.5)
def test_result_of_the_convolution(student, reference, expect):
    judge_result(student, reference, expect, CONVOLUTION)


@pytest.mark.part("convolution", points=2)
@pytest.mark.hidden
def test_convolution_of_other_images(student, reference, expect, rng):
    images, kernels = matrices(rng, (5, 5), (4, 7), (6, 3)), rng.normal(size=(3, 3, 3)).round(2)
    cases = list(zip(images, kernels, strict=True))
    judge_function(student, reference, expect, CONVOLUTION, cases)


# ---- stage 2 -------------------------------------------------------------------------------------


@pytest.mark.part("relu", points=1.5)
def test_result_of_relu(student, reference, expect):
    judge_result(student, reference, expect, RELU)


@pytest.mark.part("relu", points=2)
@pytest.mark.hidden
def test_relu_of_other_results(student, reference, expect, rng):
    cases = [(x,) for x in matrices(rng, (5, 5), (3, 6))]
    judge_function(student, reference, expect, RELU, cases)


# ---- stage 3 -------------------------------------------------------------------------------------


@pytest.mark.part("shortcut", points=1.5)
def test_result_of_the_shortcut(student, reference, expect):
    judge_result(student, reference, expect, SHORTCUT)


@pytest.mark.part("shortcut", points=2)
@pytest.mark.hidden
def test_shortcut_of_other_blocks(student, reference, expect, rng):
    xs, shortcuts = matrices(rng, (5, 5), (3, 6)), matrices(rng, (5, 5), (3, 6))
    judge_function(student, reference, expect, SHORTCUT, list(zip(xs, shortcuts, strict=True)))


# ---- stage 4 -------------------------------------------------------------------------------------


@pytest.mark.part("max-pool", points=1.5)
def test_result_of_max_pooling(student, reference, expect):
    judge_result(student, reference, expect, POOLING)


@pytest.mark.part("max-pool", points=2)
@pytest.mark.hidden
def test_max_pooling_of_other_maps(student, reference, expect, rng):
    cases = [(x,) for x in matrices(rng, (5, 5), (4, 6), (3, 8))]
    judge_function(student, reference, expect, POOLING, cases)


# ---- stage 5 -------------------------------------------------------------------------------------


@pytest.mark.part("global-average", points=1.5)
def test_result_of_the_global_average(student, reference, expect):
    judge_result(student, reference, expect, AVERAGE)


@pytest.mark.part("global-average", points=2)
@pytest.mark.hidden
def test_global_average_of_other_maps(student, reference, expect, rng):
    cases = [(x,) for x in matrices(rng, (2, 2), (3, 5))]
    judge_function(student, reference, expect, AVERAGE, cases)
