"""Question 4: the update rules, judged by the path they take, and the comparison of the optimisers.

Momentum has several right forms. None is asked for: a rule is run over a sequence of gradients,
and the parameters it passes through tell which form it is, or which mistake.
"""

import math
import re

import numpy as np
import pytest

from grader.checks.compare import compare_close
from grader.checks.outcome import Missing, Shortfall

pytestmark = pytest.mark.question("optimisers")

# Runs a rule in the student's process: a function of lists of tensors or of single ones, that
# returns new values or changes them in place, or a class like those of torch.optim.
DRIVER = """
import inspect
import torch

ROLES = {  # the first that fits: "beta" and "theta" end like "eta"
    "gradients": ("grad", "dw", "dp"),
    "parameters": ("param", "weight", "theta"),
    "velocities": ("vel", "buffer", "state"),
    "beta": ("beta", "momentum", "mu", "gamma", "rho"),
    "learning_rate": ("lr", "rate", "eta", "alpha", "step_size"),
}
LETTERS = {"g": "gradients", "v": "velocities", "m": "velocities", "w": "parameters", "p": "parameters",
           "b": "beta", "x": "parameters"}


def roles_of(function):
    found = {}
    for name in inspect.signature(function).parameters:
        plain = name.lower()
        role = LETTERS.get(plain) or next(
            (role for role, words in ROLES.items() if any(word in plain for word in words)), None
        )
        if role and role not in found.values():
            found[name] = role
    return found


def path(rule, start, gradients, learning_rate, beta):
    given = {"learning_rate": learning_rate, "beta": beta}
    parameters = [p.clone() for p in start]
    if inspect.isclass(rule):
        return path_of_class(rule, parameters, gradients, given)
    velocities = [torch.zeros_like(p) for p in parameters]
    names = roles_of(rule)
    known = {"parameters", "gradients", "learning_rate"} <= set(names.values())
    many = True
    steps = []
    for each in gradients:
        if many:
            try:
                parameters, velocities = one(rule, names if known else None, parameters,
                                             [g.clone() for g in each], velocities, given)
            except (TypeError, AttributeError):
                if steps:
                    raise
                many = False
        if not many:
            pairs = [
                one(rule, names if known else None, p, g.clone(), v, given)
                for p, g, v in zip(parameters, each, velocities)
            ]
            parameters, velocities = [p for p, _ in pairs], [v for _, v in pairs]
        steps.append([torch.as_tensor(p).detach().clone() for p in parameters])
    return {"steps": steps, "takes_beta": not known or "beta" in names.values()}


def one(rule, names, parameters, gradients, velocities, given):
    values = given | {"parameters": parameters, "gradients": gradients, "velocities": velocities}
    if names is None:
        count = len(inspect.signature(rule).parameters)
        order = ["parameters", "gradients", "velocities", "learning_rate", "beta"]
        if count == 3:
            order = ["parameters", "gradients", "learning_rate"]
        result = rule(*(values[name] for name in order[:count]))
    else:
        result = rule(**{name: values[role] for name, role in names.items()})
    pair = type(result) in (tuple, list) and len(result) == 2
    if result is None:
        return parameters, velocities
    if "velocities" in (names or {"v": "velocities"}).values() and pair:
        if type(parameters) is list and type(result[0]) in (list, tuple):
            return list(result[0]), list(result[1])
        if type(parameters) is not list:
            return result
    return (list(result) if type(parameters) is list else result), velocities


def path_of_class(rule, parameters, gradients, given):
    parameters = [p.requires_grad_() for p in parameters]
    names = {n: r for n, r in roles_of(rule).items() if r not in ("gradients", "velocities")}
    values = given | {"parameters": parameters}
    optimiser = rule(**{name: values[role] for name, role in names.items()})
    steps = []
    for each in gradients:
        for p, g in zip(parameters, each):
            p.grad = g.clone()
        optimiser.step()
        steps.append([p.detach().clone() for p in parameters])
    return {"steps": steps, "takes_beta": "beta" in names.values()}
"""

SHAPES = ((3, 3), (3,))


def torch_tensors(arrays):
    import torch

    return [torch.tensor(a) for a in arrays]


def path_of(student, expect, name, start, gradients, rate, beta=0.9):
    """Return the parameters after each step as rows, and whether beta could be given."""
    function = student.function(name, aliases=callables(student, name))
    student.record.asked = f"{function.target}(parameters, gradients, …) × {len(gradients)}"
    arguments = (torch_tensors(start), [torch_tensors(g) for g in gradients], rate, beta)
    handle = function.handle()
    answer = student.make(DRIVER, "path", handle, *arguments, about=function.name).value().value
    steps = answer["steps"]
    sound = [[np.shape(p) for p in step] == [p.shape for p in start] for step in steps]
    expect.satisfies(all(sound), "rule-returns-other-shapes")
    return np.array([flat(step) for step in steps]), answer["takes_beta"]


def callables(student, name):
    """Return the names under which the notebook has a function or class for this rule."""
    names = [name, *student.subject.assignment.aliases.get(name, ())]
    kinds = {n: getattr(student.subject.variables.get(n), "kind", None) for n in names}
    return [n for n, kind in kinds.items() if kind in ("function", "class")]


def flat(arrays):
    return np.concatenate([np.ravel(a) for a in arrays])


def problem(rng, steps):
    """Return where to start and a gradient for each step; they keep a direction, as on a slope."""
    start = [rng.normal(size=shape) for shape in SHAPES]
    slope = [rng.normal(size=shape) for shape in SHAPES]
    gradients = [[s + 0.5 * rng.normal(size=s.shape) for s in slope] for _ in range(steps)]
    return start, gradients


# ---- what each rule, and each mistake, does --------------------------------------------------------


def walk(start, gradients, update):
    """Return the path of `update`, which takes position, gradient and velocity and returns two."""
    p, v = flat(start), np.zeros(sum(a.size for a in start))
    rows = []
    for gradient in gradients:
        p, v = update(p, flat(gradient), v)
        rows.append(p)
    return np.array(rows)


def heavy_ball(lr, beta):
    return lambda p, g, v: (p - lr * (beta * v + g), beta * v + g)


def averaged(lr, beta):
    return lambda p, g, v: (p - lr * (beta * v + (1 - beta) * g), beta * v + (1 - beta) * g)


def nesterov(lr, beta):
    return lambda p, g, v: (p - lr * (g + beta * (beta * v + g)), beta * v + g)


FORMS = {"heavy-ball": heavy_ball, "averaged": averaged, "nesterov": nesterov}


def momentum_mistakes(lr, beta):
    return [
        *(("momentum-ignores-the-learning-rate", form(1, beta)) for form in FORMS.values()),
        ("momentum-without-memory", lambda p, g, v: (p - lr * g, v)),
        ("momentum-without-memory", lambda p, g, v: (p - lr * (1 - beta) * g, v)),
        ("momentum-climbs", lambda p, g, v: (p + lr * (beta * v + g), beta * v + g)),
        ("momentum-climbs", lambda p, g, v: (p + lr * (beta * v + (1 - beta) * g), beta * v + (1 - beta) * g)),
        ("momentum-betas-swapped", lambda p, g, v: (p - lr * ((1 - beta) * v + beta * g), (1 - beta) * v + beta * g)),
        ("momentum-learning-rate-twice", lambda p, g, v: (p - lr * (beta * v + lr * g), beta * v + lr * g)),
        ("momentum-without-decay", lambda p, g, v: (p - lr * (v + g), v + g)),
        ("momentum-without-decay", lambda p, g, v: (p - lr * (v + (1 - beta) * g), v + (1 - beta) * g)),
        ("momentum-one-step-late", lambda p, g, v: (p - lr * v, beta * v + g)),
        ("momentum-one-step-late", lambda p, g, v: (p - lr * v, beta * v + (1 - beta) * g)),
        ("momentum-oscillates", lambda p, g, v: (p - lr * (g - beta * v), g - beta * v)),
    ]  # fmt: skip


def alike(answered, expected):
    return compare_close(answered, expected, 1e-5, 1e-4).ok


# ---- the update rules ------------------------------------------------------------------------------


@pytest.mark.part("sgd", points=1.5)
def test_path_of_sgd(student, reference, expect, rng):
    for rate in (0.1, 0.4):
        start, gradients = problem(rng, steps=3)
        answered, _ = path_of(student, expect, "sgd_step", start, gradients, rate)
        parameters, rows = torch_tensors(start), []
        for each in gradients:
            parameters = reference.sgd_step(parameters, torch_tensors(each), rate)
            rows.append(flat(parameters))
        for name, update in (
            ("sgd-climbs", lambda p, g, v, rate=rate: (p + rate * g, v)),
            ("sgd-ignores-the-learning-rate", lambda p, g, v: (p - g, v)),
            ("sgd-returns-the-change", lambda p, g, v, rate=rate: (-rate * g, v)),
            ("sgd-returns-the-change", lambda p, g, v, rate=rate: (rate * g, v)),
            ("rule-changes-nothing", lambda p, g, v: (p, v)),
        ):
            if alike(answered, walk(start, gradients, update)):
                expect.misconception(name)
        expect(answered).close(np.array(rows), atol=1e-5, rtol=1e-4)


def judge_momentum(expect, answered, start, gradients, lr, beta) -> str:
    """Expect the path of one of the right forms; return which."""
    for name, form in FORMS.items():
        if alike(answered, walk(start, gradients, form(lr, beta))):
            return name
    for name, update in (
        *momentum_mistakes(lr, beta),
        ("rule-changes-nothing", lambda p, g, v: (p, v)),
    ):
        if alike(answered, walk(start, gradients, update)):
            expect.misconception(name)
    expected = walk(start, gradients, heavy_ball(lr, beta))
    expect(answered).close(expected, atol=1e-5, rtol=1e-4)
    return "heavy-ball"


@pytest.mark.part("momentum", points=1.5)
def test_path_of_momentum(student, expect, rng):
    start, gradients = problem(rng, steps=5)
    answered, _ = path_of(student, expect, "momentum_step", start, gradients, 0.2)
    form = judge_momentum(expect, answered, start, gradients, 0.2, 0.9)
    if form == "averaged":
        expect.note("momentum-averaged")
    elif form == "nesterov":
        expect.note("momentum-nesterov")
    else:
        expect.note("momentum-heavy-ball")


@pytest.mark.part("momentum", points=1.5)
@pytest.mark.hidden
def test_path_of_momentum_at_other_settings(student, expect, rng):
    for lr, beta in ((0.02, 0.9), (0.5, 0.6)):
        start, gradients = problem(rng, steps=6)
        answered, takes_beta = path_of(student, expect, "momentum_step", start, gradients, lr, beta)
        judge_momentum(expect, answered, start, gradients, lr, beta if takes_beta else 0.9)


# ---- the comparison --------------------------------------------------------------------------------

RATES = (1.0, 0.1, 0.01, 0.001)
STEPS = 1000


def steps_by_run(student):
    """Return the steps that each run needed, by optimiser and learning rate; inf for never."""
    try:
        return read_runs(student.value("steps_needed").value, steps_of)
    except Missing as missing:
        try:
            return read_runs(student.value("losses").value, first_below)
        except Missing:
            return recorded_runs(student, missing)


def recorded_runs(student, missing):
    """Read the runs off printed losses, for notebooks that keep nothing else."""
    try:
        curves = [c for c in student.recorded.curves("") if c.metric == "loss"]
    except Missing:
        raise missing from None
    found = {}
    for curve in curves:
        if (run := run_named(curve.run)) is not None:
            below = [e for e, v in zip(curve.epochs, curve.values, strict=True) if v < 0.05]
            found.setdefault(run, min(below, default=math.inf))
    if not found:
        raise missing
    return found


def read_runs(value, read, path="") -> dict[tuple[str, float], float]:
    """Read nested data of any layout: names and rates may be keys, pairs of keys or positions."""
    found = {}
    run = run_named(path)
    if run is not None and not isinstance(value, dict):
        return {run: read(value)}
    if isinstance(value, dict):
        for key, below in value.items():
            found |= read_runs(below, read, f"{path} {key}")
    elif isinstance(value, (list, tuple)) and len(value) == len(RATES) and optimiser_in(path):
        for rate, below in zip(RATES, value, strict=True):
            found |= read_runs(below, read, f"{path} {rate}")
    return found


def optimiser_in(text: str) -> str | None:
    if re.search(r"moment|مومنتوم|تکانه", text, re.IGNORECASE):
        return "momentum"
    return "sgd" if re.search(r"sgd|gradient|گرادیان", text, re.IGNORECASE) else None


def run_named(text: str) -> tuple[str, float] | None:
    optimiser = optimiser_in(text)
    rates = [float(n) for n in re.findall(r"\d+\.?\d*(?:e-?\d+)?", text)]
    near = [r for r in RATES for n in rates if math.isclose(n, r, rel_tol=1e-6)]
    return (optimiser, near[-1]) if optimiser and near else None


def steps_of(value) -> float:
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        number = float(value)
        return number if 0 <= number < STEPS else math.inf
    return math.inf


def first_below(losses) -> float:
    values = [float(v) for v in np.ravel(losses)] if isinstance(losses, (list, np.ndarray)) else []
    return next((step for step, loss in enumerate(values) if loss < 0.05), math.inf)


def show(expect, steps, reference, form) -> None:
    """Put the steps beside those of the supplied network into the evidence, where they compare."""
    expect.evidence(
        claims=[
            {
                "what": f"{optimiser}, learning rate {rate}",
                "claimed": spoken(steps.get((optimiser, rate))),
                "found": spoken(reference.steps_needed[optimiser, rate] or math.inf),
                "agrees": steps.get((optimiser, rate), math.inf)
                == (reference.steps_needed[optimiser, rate] or math.inf),
            }
            for optimiser in (("sgd",) if form in ("averaged", "nesterov") else ("sgd", "momentum"))
            for rate in RATES
        ]
    )


def spoken(steps) -> str:
    return "—" if steps is None else "∞" if math.isinf(steps) else str(int(steps))


def all_runs(student, reference, expect, form):
    steps = steps_by_run(student)
    show(expect, steps, reference, form)
    expect.satisfies(
        all((o, r) in steps for o in ("sgd", "momentum") for r in RATES), "runs-missing"
    )
    return steps


@pytest.mark.part("comparison", points=1)
def test_learning_rates_compared(student, reference, expect, rng):
    form = form_of(student, expect, rng)
    steps = all_runs(student, reference, expect, form)
    finite = [math.isfinite(steps[o, 0.1]) for o in ("sgd", "momentum")]
    expect.satisfies(all(finite), "rate-of-a-tenth-does-not-arrive")
    sgd = [steps["sgd", rate] for rate in RATES[1:]]
    expect.satisfies(sgd[0] < sgd[1] <= sgd[2], "smaller-rate-not-slower")
    diverging = ("sgd",) if form == "averaged" else ("sgd", "momentum")
    if any(math.isfinite(steps[o, 1.0]) for o in diverging):
        if not student.has("initial_parameters"):
            expect.pending("network-of-their-own")
        expect.misconception("rate-of-one-arrives")


@pytest.mark.part("comparison", points=1.5)
def test_steps_that_momentum_saves(student, reference, expect, rng):
    form = form_of(student, expect, rng)
    steps = all_runs(student, reference, expect, form)
    if form == "averaged":
        expect.satisfies(math.isfinite(steps["momentum", 0.1]), "rate-of-a-tenth-does-not-arrive")
        expect.note("averaged-momentum-saves-nothing")
        return
    for rate in (0.01, 0.001):
        saved = min(steps["sgd", rate], STEPS) - min(steps["momentum", rate], STEPS)
        expect.satisfies(saved > 0.2 * min(steps["sgd", rate], STEPS), "momentum-saves-nothing")


def form_of(student, expect, rng) -> str | None:
    """Return which right form of momentum the notebook has; None if it has none."""
    start, gradients = problem(rng, steps=3)
    try:
        answered, _ = path_of(student, expect, "momentum_step", start, gradients, 0.2)
    except Shortfall:
        return None
    paths = {name: walk(start, gradients, form(0.2, 0.9)) for name, form in FORMS.items()}
    return next((name for name, each in paths.items() if alike(answered, each)), None)
