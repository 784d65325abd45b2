"""Of which functions it is told that nothing called before can have changed them, and of which not."""

import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from grader.course.assignment import Limits
from grader.kernel.caged.settled import Settled, note_libraries
from grader.kernel.live import LiveRun

PRELUDE = """
import math, random, time, os
import numpy as np
import torch
import torch.nn.functional as F
from functools import lru_cache
from math import sqrt
from torch import nn
from torch.nn.functional import relu
"""

SETTLED = {
    "arithmetic": "def f(a, b=2, *, c=3.0):\n    return (a * b + c) ** 0.5",
    "numpy": "def f(x):\n    return np.maximum(x, 0).sum(axis=(1, 2)) / np.sqrt(np.prod(x.shape[1:]))",
    "loops": "def f(x):\n    out = np.zeros((3, 3))\n    for i in range(3):\n        out[i] += x[i]\n    return out.copy()",
    "torch": "def f(x):\n    return F.softmax(torch.as_tensor(x), dim=-1).detach().numpy()",
    "names of libraries": "def f(x):\n    return relu(torch.tensor(sqrt(x)))",
    "random": "def f(n):\n    return np.random.rand(n) + random.random() + torch.randn(n).numpy()",
    "helper": "def helped(x):\n    return SCALE * x\nSCALE = 2\nSHAPE = (1, 'a', (2.0, None))\ndef f(x):\n    return [helped(v) for v in (x, *SHAPE[:1])]",
    "recursive": "def f(n):\n    return 1 if n < 2 else n * f(n - 1)",
    "lambda": "f = lambda x: math.exp(-x)",
    "closure": "def make(k):\n    return lambda x: k * x\nf = make(3)",
    "wrong": "def f(x):\n    return undefined_name + x",
    "raises": "def f(x):\n    raise ValueError(f'not {x!r}')",
    "decorated": "@torch.no_grad()\ndef f(x):\n    return x\nf = f.__wrapped__",
    "import inside": "def f(x):\n    import numpy as numbers\n    return numbers.exp(x)",
    "network": """
class Block(nn.Module):
    expansion = 4

    def __init__(self, wide, stride=1):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, wide, 3, stride), nn.BatchNorm2d(wide), nn.ReLU6(True))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)

    @property
    def wide(self):
        return self.conv[0].out_channels

    @staticmethod
    def halved(x):
        return x / 2

    def forward(self, x):
        return self.halved(self.conv(x)).mean(dim=(2, 3))

class f(nn.Module):
    def __init__(self):
        super(f, self).__init__()
        self.block = Block(8)

    def forward(self, x):
        return self.block(x).view(x.size(0), -1)
""",
}

UNSETTLED = {
    "list": "seen = []\ndef f(x):\n    return len(seen) + x",
    "array": "W = np.ones(3)\ndef f(x):\n    return W @ x",
    "model": "net = nn.Linear(2, 2)\ndef f(x):\n    return net(x)",
    "through a helper": "seen = {}\ndef helped(x):\n    return seen.get(x)\ndef f(x):\n    return helped(x)",
    "own list": "def f(x, seen=[]):\n    seen.append(x)\n    return len(seen)",
    "own attribute": "def f(x):\n    f.n += 1\n    return f.n\nf.n = 0",
    "closed list": "def make():\n    seen = []\n    return lambda x: seen\nf = make()",
    "cache": "@lru_cache\ndef f(x):\n    return x",
    "partial": "from functools import partial\nf = partial(max, key=[].append)",
    "object": "class C:\n    n = 0\nc = C()\ndef f(x):\n    return c.n",
    "class with a list": "class f:\n    seen = []\n    def __init__(self):\n        self.n = len(self.seen)",
    "class with a metaclass": "class M(type):\n    pass\nclass f(metaclass=M):\n    pass",
    "base with a list": "class Base:\n    seen = []\nclass f(Base):\n    pass",
    "generator": "numbers = iter(range(9))\ndef f(x):\n    return next(numbers)",
    "own generator": "rng = np.random.default_rng(0)\ndef f(n):\n    return rng.random(n)",
    "in a library": "np.count = 0\ndef f(x):\n    np.count += 1\n    return x + np.count",
    "time": "def f(x):\n    return time.time()",
    "environment": "def f(x):\n    return os.environ.get('x')",
    "file": "def f(x):\n    return open('x').read()",
    "array from a file": "def f(x):\n    return np.load('x.npy')",
    "tensor from a file": "def f(x):\n    return torch.load('x.pt')",
    "globals": "def f(x):\n    return globals().get('n')",
    "globals by itself": "def f(x):\n    return f.__globals__['n']",
    "import of state": "def f(x):\n    import sys\n    return len(sys.modules)",
    "import of a file": "def f(x):\n    from my_own_file import n\n    return n",
    "evaluated": "def f(x):\n    return eval('n')",
    "value": "f = 3.5 * np.ones(2)",
    "in a nested function": "seen = []\ndef f(x):\n    def inner():\n        return len(seen)\n    return inner()",
}

CHANGES = {
    "a value": "SCALE = 3",
    "a value to an equal one": "SCALE = float('2.5')",
    "a helper": "def helped(x):\n    return x",
    "a helper in place": "helped.__code__ = (lambda x: 0).__code__",
    "defaults in place": "helped.__defaults__ = (1,)",
    "keyword defaults in place": "f.__kwdefaults__['k'] = 7",
    "an attribute": "helped.note = 1",
    "itself": "def f(x):\n    return 0",
    "its absence": "del f",
    "a closed value": "count()",
    "a class": "C.n = 2",
    "a method": "C.doubled = lambda self: 0",
    "a method in place": "C.doubled.__code__ = (lambda self: 0).__code__",
    "a property": "C.n3 = property(lambda self: 0)",
    "a base": "C.__bases__ = (Other,)",
    "a new name": "later = 1",
    "numpy": "np.exp = np.log",
    "torch": "torch.relu = torch.abs",
    "the precision": "torch.set_default_dtype(torch.float64)",
    "the device": "torch.set_default_device('meta')",
    "what numpy warns of": "np.seterr(all='raise')",
    "how numpy prints": "np.set_printoptions(precision=1)",
    "how torch prints": "torch.set_printoptions(precision=1)",
    "warnings": "import warnings\nwarnings.simplefilter('error')",
    "how deep it may go": "import sys\nsys.setrecursionlimit(sys.getrecursionlimit() + 1)",
    "a builtin": "import builtins\nbuiltins.abs = len",
    "a hook": "nn.modules.module.register_module_forward_hook(lambda *_: None)",
}
BEFORE = """
SCALE = 2.5
class Base: pass
class Other(Base): pass
class C(Base):
    n = 1
    def doubled(self):
        return 2 * self.n
    @property
    def n3(self):
        return 3
def make():
    n = 0
    def count():
        nonlocal n
        n += 1
        return n
    return count
count = make()
def helped(x=2):
    return SCALE * x
def f(x, *, k=2):
    return np.exp(helped(x)) + torch.relu(x) + C().doubled() + C().n3 + abs(x) + count() + later
"""


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    """Global names of a notebook; what it does to libraries is undone."""
    note_libraries()
    exp, relu = np.exp, torch.relu
    errors, printed, deepest = np.geterr(), np.get_printoptions(), sys.getrecursionlimit()
    own = dict(vars(__import__("builtins")))
    with warnings.catch_warnings():
        yield types.ModuleType("__main__").__dict__
    sys.setrecursionlimit(deepest)
    np.set_printoptions(**printed)
    torch.set_printoptions(profile="default")
    np.exp, torch.relu = exp, relu
    vars(np).pop("count", None)
    np.seterr(**errors)
    vars(__import__("builtins")).update(own)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.nn.modules.module._global_forward_hooks.clear()


def run(source: str, notebook: dict[str, Any]) -> None:
    exec(PRELUDE + source, notebook)


@pytest.mark.parametrize("name", SETTLED)
def test_what_follows_from_its_arguments_is_settled(name: str, notebook: dict[str, Any]) -> None:
    run(SETTLED[name], notebook)
    settled = Settled(notebook)
    assert settled.are({"f"})
    notebook["unrelated"] = 1
    assert settled.are({"f"})


@pytest.mark.parametrize("name", UNSETTLED)
def test_what_may_remember_is_not(name: str, notebook: dict[str, Any]) -> None:
    run(UNSETTLED[name], notebook)
    assert not Settled(notebook).are({"f"})


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_since_is_not(name: str, notebook: dict[str, Any]) -> None:
    run(BEFORE, notebook)
    settled = Settled(notebook)
    assert settled.are({"f"})
    exec(CHANGES[name], notebook)
    assert not settled.are({"f"})


def test_a_name_that_never_was_is_settled_until_it_is_bound(notebook: dict[str, Any]) -> None:
    settled = Settled(notebook)
    assert settled.are({"f"})
    notebook["f"] = 1
    assert not settled.are({"f"})


def test_where_settings_cannot_be_told_nothing_is_settled(
    notebook: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(SETTLED["arithmetic"], notebook)
    whole = Settled(notebook)
    monkeypatch.setattr(np, "get_printoptions", None)
    assert not whole.are({"f"})
    broken = Settled(notebook)
    assert not broken.are({"f"})
    monkeypatch.undo()
    assert whole.are({"f"})
    assert not broken.are({"f"})


def test_all_that_was_asked_for_has_to_be_settled(notebook: dict[str, Any]) -> None:
    run(SETTLED["numpy"] + "\nseen = []\ndef g():\n    return seen", notebook)
    settled = Settled(notebook)
    assert settled.are({"f"})
    assert not settled.are({"f", "g"})
    assert settled.are(set())


def test_an_open_notebook_says_nothing_of_its_functions() -> None:
    names: dict[str, Any] = {}
    exec("def f(x):\n    return x", names)
    probe = LiveRun(["def f(x):\n    return x"], names, Limits()).probe()
    for _ in range(2):
        probe.begin()
        assert probe.call("f", [1]) == 1
        assert not probe.settled()
