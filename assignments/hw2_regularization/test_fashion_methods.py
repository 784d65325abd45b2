"""Question 5c and 5d: what augmentation does to images, and the weight penalty as a function."""

import ast
import re

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.question("fashion-mlp")

# ---- augmentation ----------------------------------------------------------------------------------

AUGMENT = """
import torch

def augmented(function, images):
    results = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        results.append(batch(function, images.clone()))
    return results


def batch(function, images):
    try:
        result = torch.as_tensor(function(images)).detach()
        if result.numel() == images.numel():
            return result.reshape(images.shape)
    except (NotImplementedError, ImportError):
        raise
    except Exception:
        result = None
    try:  # a transformation of one image, as torchvision's data sets take it
        each = [torch.as_tensor(function(image)).reshape(image.shape) for image in images]
        return torch.stack(each).detach()
    except Exception:
        if result is None:
            raise
        return result
"""

KINDS = {
    "flip": r"flip|\[[^\]]*::\s*-1|fliplr|قرینه",
    "rotation": r"rotat|affine|rot90|چرخش",
    "shift": r"crop|shift|translat|roll\(|\.pad\(|F\.pad",
    "scale": r"resize|zoom|scale\s*=|perspective|elastic",
    "light": r"jitter|bright|contrast|gamma|autocontrast|sharpness|equalize|posterize|invert",
    "noise": r"noise|randn_like|randn\(|blur",
    "erasing": r"eras|cutout|mask|dropout",
    "mixing": r"mixup|cutmix",
    "policy": r"autoaugment|randaugment|trivialaugment|augmix",
}


def augmenter(student):
    """Return the student's augmentation, by the name of a function or of a transformation."""
    names = ["augment", *student.subject.assignment.aliases.get("augment", ())]
    kinds = {n: getattr(student.subject.variables.get(n), "kind", None) for n in names}
    found = [n for n, kind in kinds.items() if kind in ("function", "object")]
    return student.function("augment", aliases=found or names)


@pytest.mark.part("augment", points=1.5)
def test_augmentation_changes_images(student, reference, expect):
    function = augmenter(student)
    images, _ = reference.draw_clothes(40, seed=7)
    student.record.asked = f"{function.target}(images)"
    handle = function.handle()
    answer = student.make(AUGMENT, "augmented", handle, images, about=function.name).value().value
    first, second = (np.asarray(result, dtype=float) for result in answer)
    given = images.numpy()
    expect.satisfies(first.shape == given.shape, "augmentation-changes-the-shape")
    expect.satisfies(bool(np.isfinite(first).all()), "augmentation-destroys-images")
    changed = [abs(a - b).mean(axis=(1, 2, 3)) > 1e-3 for a, b in ((first, given), (second, given))]
    expect.satisfies(np.mean(changed) > 0.2, "augmentation-changes-nothing")
    expect.satisfies(not np.allclose(first, second), "augmentation-not-random")
    alike = [best_match(a, b) for a, b in zip(coarse(first), coarse(given), strict=True)]
    expect.satisfies(float(np.mean(alike)) > 0.35, "augmentation-destroys-images")


def coarse(images):
    """Return the images averaged over blocks of 4 by 4 pixels, where noise and small shifts fade."""
    return images.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4))


def best_match(image, given) -> float:
    """Return the correlation of an image with the given one, or with a flip of it."""
    candidates = (given, given[:, ::-1], given[::-1], given[::-1, ::-1])
    if image.std() < 1e-6:
        return 0.0
    return max(np.corrcoef(image.ravel(), each.ravel())[0, 1] for each in candidates)


def augmentation_code(student) -> str:
    """Return the code of the augmentation and of what it uses from the notebook."""
    names = ["augment", *student.subject.assignment.aliases.get("augment", ())]
    todo, seen, code = [n for n in names if student.source.defines(n)], set(), ""
    while todo:
        name = todo.pop()
        if name in seen or (source := student.source.definition(name)) is None:
            continue
        seen.add(name)
        code += without_text(source) + "\n"
        todo += [n for n in re.findall(r"\w+", source) if student.source.defines(n)]
    return code


def without_text(source: str) -> str:
    """Return code without comments and docstrings: they may name what the code does not do."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return re.sub(r"#.*", "", source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [
                each
                for each in body
                if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            ] or [ast.Pass()]
    return ast.unparse(tree)


def written(student) -> None:
    """Expect that something was written at all.

    Raises
    ------
    Missing
        If the place for the answer is still empty.
    """
    code = augmentation_code(student)
    if not code or "NotImplementedError" in code:
        augmenter(student)(torch.zeros(2, 1, 28, 28))


@pytest.mark.part("augment", points=1.5)
def test_two_kinds_of_augmentation(student, expect):
    written(student)
    code = augmentation_code(student)
    found = [kind for kind, words in KINDS.items() if re.search(words, code, re.IGNORECASE)]
    expect.evidence(kind="text", answered={"text": ", ".join(found), "shape": None, "dtype": None})
    if not found:
        expect.pending("augmentation-not-recognised")
    random = len(re.findall(r"Random|rand|choice|shuffle", code))
    expect.satisfies(random > 0, "augmentation-not-random")
    one = len(found) == 1 and "policy" not in found
    expect.satisfies(not one, "one-augmentation-only")


# ---- the penalty -----------------------------------------------------------------------------------

PENALTY = """
import inspect
import torch
from torch import nn

def measured(function, models, lam):
    names = list(inspect.signature(function).parameters)
    results = []
    for weights in models:
        layers = []
        for w, b in weights:
            layer = nn.Linear(w.shape[1], w.shape[0])
            with torch.no_grad():
                layer.weight.copy_(w)
                layer.bias.copy_(b)
            layers += [layer, nn.ReLU()]
        model = nn.Sequential(*layers[:-1])
        takes = len(names) > 1
        value = function(model, lam) if takes else function(model)
        gradients = None
        if torch.is_tensor(value) and value.requires_grad:
            found = torch.autograd.grad(value.sum(), list(model.parameters()), allow_unused=True)
            gradients = [torch.zeros_like(p) if g is None else g
                         for p, g in zip(model.parameters(), found)]
        results.append({"value": torch.as_tensor(value).detach(), "gradients": gradients})
    return {"results": results, "takes_lambda": len(names) > 1}
"""

LAMBDA = 0.01


def models(rng):
    """Return the weights of three small networks."""
    sizes = ((4, 3), (2, 4))
    return [
        [(rng.normal(size=(n, m)).round(2), rng.normal(size=n).round(2)) for n, m in sizes]
        for _ in range(3)
    ]


def flat(model, biases=True):
    return [p for w, b in model for p in ((w, b) if biases else (w,))]


FORMS = {
    "l1": lambda p: sum(abs(t).sum() for t in p),
    "l2": lambda p: sum((t**2).sum() for t in p),
    "l2-halved": lambda p: sum((t**2).sum() for t in p) / 2,
}
MISTAKES = {
    "penalty-of-norms": (
        lambda p: sum(np.sqrt((t**2).sum()) for t in p),
        lambda p: np.sqrt(sum((t**2).sum() for t in p)),
    ),
    "penalty-averaged": (
        lambda p: sum(abs(t).mean() for t in p),
        lambda p: sum((t**2).mean() for t in p),
        lambda p: sum(abs(t).sum() for t in p) / sum(t.size for t in p),
        lambda p: sum((t**2).sum() for t in p) / sum(t.size for t in p),
    ),
    "penalty-with-signs": (lambda p: sum(t.sum() for t in p),),
    "penalty-of-one-layer": tuple(
        lambda p, part=part, power=power: sum((abs(t) ** power).sum() for t in p[part])
        for part in (slice(0, 1), slice(0, 2), slice(-1, None), slice(-2, None), slice(-2, -1))
        for power in (1, 2)
    ),
}


def ask(student, expect, rng):
    """Return what the student's penalty gives for three networks: values, gradients, and the forms."""
    function = student.function("penalty", aliases=functions(student, "penalty"))
    networks = models(rng)
    given = [
        [(torch.tensor(w).float(), torch.tensor(b).float()) for w, b in net] for net in networks
    ]
    student.record.asked = f"{function.target}(model, lam={LAMBDA})"
    arguments = (function.handle(), given, LAMBDA)
    answer = student.make(PENALTY, "measured", *arguments, about=function.name).value().value
    values = [np.asarray(r["value"], dtype=float) for r in answer["results"]]
    expect.satisfies(all(v.size == 1 for v in values), "penalty-not-one-number")
    scale = LAMBDA if answer["takes_lambda"] else None
    return networks, np.ravel(values), answer["results"], scale


def functions(student, name):
    names = [name, *student.subject.assignment.aliases.get(name, ())]
    return [n for n in names if getattr(student.subject.variables.get(n), "kind", "") == "function"]


def matches(values, expected, scale) -> bool:
    """Whether the values are `scale` times the expected ones, or any fixed multiple without one."""
    if scale is None:
        ratios = values / np.where(expected == 0, np.nan, expected)
        return bool(
            np.isfinite(ratios).all() and ratios[0] > 0 and np.ptp(ratios) < 1e-4 * ratios[0]
        )
    return bool(np.allclose(values, scale * expected, rtol=1e-4, atol=1e-7))


def form_of(values, networks, scale) -> tuple[str, bool] | None:
    """Return which penalty it is, and whether of the biases too."""
    for biases in (True, False):
        for name, form in FORMS.items():
            expected = np.array([form(flat(net, biases)) for net in networks])
            if matches(values, expected, scale):
                return name, biases
    return None


@pytest.mark.part("penalty", points=2)
@pytest.mark.hidden
def test_value_of_the_penalty(student, expect, rng):
    networks, values, _, scale = ask(student, expect, rng)
    found = form_of(values, networks, scale)
    if found is not None:
        expect.note("penalty-l1" if found[0] == "l1" else "penalty-l2")
        if not found[1]:
            expect.note("penalty-without-biases")
        return
    if scale is not None and form_of(values, networks, None) is not None:
        expect.misconception("lambda-not-a-factor")
    for name, forms in MISTAKES.items():
        for form in forms:
            for biases in (True, False):
                expected = np.array([form(flat(net, biases)) for net in networks])
                if matches(values, expected, scale):
                    expect.misconception(name)
    expected = LAMBDA * np.array([FORMS["l1"](flat(net)) for net in networks])
    expect(values).close(expected)


@pytest.mark.part("penalty", points=2)
def test_penalty_pulls_the_weights(student, expect, rng):
    networks, _, results, _ = ask(student, expect, rng)
    for network, result in zip(networks, results, strict=True):
        expect.satisfies(result["gradients"] is not None, "penalty-without-gradient")
        slopes = [np.asarray(g) for g in result["gradients"]]
        pulls = [
            float((g * w).sum()) for g, w in zip(slopes, flat(network), strict=True) if w.ndim == 2
        ]
        expect.satisfies(any(pulls), "penalty-without-gradient")
        expect.satisfies(all(pulls), "penalty-of-one-layer")
        expect.satisfies(min(pulls) > 0, "penalty-with-signs")
