"""Questions to an executed notebook: what comes back, and what no other question notices."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from grader.kernel import processes
from grader.kernel.caged import frames
from grader.kernel.caged.agent import Agent
from grader.kernel.caged.wire import Description, Reference, TensorValue, WireError, unpack
from grader.kernel.probe import Died, Frame, Probe, Raised, Refused, TimedOut
from grader.kernel.run import Run
from tests.kernel.notebooks import Execute, statuses

# -- values and calls ------------------------------------------------------------------


def test_all_variables_come_back_and_what_the_shell_made_does_not(execute: Execute) -> None:
    run = execute(
        "import numpy as np, torch\nfrom math import pi, sqrt\n_private = 1",
        "a = np.arange(6).reshape(2, 3)\nt = torch.ones(2)\nwords = {'fa': ['یک'], 2: None}",
        "def f(): pass\nclass C: pass\nc = C()\nbig = np.zeros(1 << 20)\nempty = ...",
        "a",
    )
    with run.probe() as probe:
        found = probe.variables()
    assert found.pop("a").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found.pop("t").dtype == "float32"
    assert found.pop("words") == {"fa": ["یک"], 2: None}
    assert found.pop("pi") == pytest.approx(3.14159, abs=1e-5)
    kinds = {name: value.kind for name, value in found.items()}
    assert kinds == {
        "sqrt": "function", "f": "function", "C": "class", "c": "object",
        "big": "too-large", "empty": "object",
    }  # fmt: skip


def test_a_large_variable_comes_when_it_is_asked_for(execute: Execute) -> None:
    with execute("import numpy as np\nbig = np.arange(1 << 20)").probe() as probe:
        assert probe.ask({"ask": "value", "target": "big"}).sum() == sum(range(1 << 20))


def test_many_variables_that_are_too_large_together_come_as_far_as_there_is_room(
    execute: Execute,
) -> None:
    run = execute(
        "rows = {f'r{n}': [n + 0.5] * 40_000 for n in range(9)}\nglobals().update(rows); del rows",
        "last = 5\nimport numpy as np\nfor n in range(40): globals()[f'a{n}'] = np.full(1 << 16, n)",
    )
    with run.probe() as probe:
        found = probe.variables()
        rows = [found[f"r{n}"] for n in range(9)]
        assert rows[0] == [0.5] * 40_000
        assert rows[8].kind == "too-large"
        assert found["last"] == 5
        assert len({type(found[f"a{n}"]) for n in range(40)}) == 2
        assert probe.ask({"ask": "value", "target": "r8"}) == [8.5] * 40_000
        assert probe.ask({"ask": "value", "target": "a39"})[0] == 39


def test_a_table_comes_as_an_array(execute: Execute) -> None:
    run = execute("import pandas as pd\ntable = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})")
    with run.probe() as probe:
        assert type(probe.ask({"ask": "value", "target": "table"})) is Description
        assert probe.ask({"ask": "array", "target": "table"}).tolist() == [[1, 3], [2, 4]]


def test_functions_take_and_return_typed_values(execute: Execute) -> None:
    run = execute(
        "def f(x, *, scale=1, names=()):\n    return x * scale, list(names), type(x).__name__",
        "def g(t): return t.requires_grad, t.double() * 2",
        "def count(n):\n    i = 0\n    while i < n:\n        yield i\n        i += 1",
        "import itertools\ndef forever(): yield from itertools.count()",
    )
    with run.probe() as probe:
        array, names, kind = probe.call("f", [np.ones((2, 2))], {"scale": 3, "names": ("a",)})
        assert (array.tolist(), names, kind) == ([[3.0, 3.0]] * 2, ["a"], "ndarray")
        grad, tensor = probe.call("g", [TensorValue(np.float32([1, 2]), "float32", True)])
        assert (grad, tensor.array.tolist(), tensor.dtype) == (True, [2.0, 4.0], "float64")
        assert probe.call("count", [3]) == [0, 1, 2]
        assert probe.call("forever")[:3] == [0, 1, 2]


def test_an_argument_may_have_several_names(execute: Execute) -> None:
    with execute("def conv(x, padding_size=0): return padding_size").probe() as probe:
        choices = [["padding", "pad", "padding_size"]]
        assert probe.call("conv", [1], {"padding": 7}, choices=choices) == 7
        with pytest.raises(Refused, match="arguments"):
            probe.call("conv", [1], {"padding": 7})


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ({"ask": "call", "target": "nobody", "args": [], "kwargs": {}}, "no-name"),
        ({"ask": "call", "target": "x", "args": [], "kwargs": {}}, "not-callable"),
        ({"ask": "call", "target": "f", "args": [], "kwargs": {}}, "arguments"),
        ({"ask": "call", "target": "f", "args": [1, 2], "kwargs": {}}, "arguments"),
        ({"ask": "call", "target": "f", "args": [1], "kwargs": {"c": 1}}, "arguments"),
        ({"ask": "value", "target": "nobody"}, "no-name"),
        ({"ask": "signature", "target": "x"}, "not-callable"),
        ({"ask": "modules", "target": "x"}, "not-a-module"),
    ],
)
def test_a_question_without_an_answer_says_why(
    execute: Execute, question: dict[str, Any], kind: str
) -> None:
    with execute("x = 1\ndef f(a): return a").probe() as probe:
        with pytest.raises(Refused) as refusal:
            probe.ask(question)
        assert refusal.value.kind == kind
        assert probe.call("f", [5]) == 5


def test_signatures_are_told(execute: Execute) -> None:
    with execute("def f(a, b=1, *rest, c, **others): pass").probe() as probe:
        told = probe.ask({"ask": "signature", "target": "f"})
    assert [(p["name"], p["kind"], p["default"]) for p in told] == [
        ("a", "POSITIONAL_OR_KEYWORD", False),
        ("b", "POSITIONAL_OR_KEYWORD", True),
        ("rest", "VAR_POSITIONAL", False),
        ("c", "KEYWORD_ONLY", False),
        ("others", "VAR_KEYWORD", False),
    ]


def test_an_answer_without_a_place_on_the_wire_is_described(execute: Execute) -> None:
    run = execute("def f(): return object()\ndef g(): return [0] * 10**6\ndef h(): return {f}")
    with run.probe() as probe:
        assert probe.call("f") == Description("builtins.object", "", "object")
        assert probe.call("g").kind == "too-large"
        assert type(probe.call("h")) is Description


def test_a_question_that_has_no_place_on_the_wire_is_the_askers_fault(execute: Execute) -> None:
    with execute("def f(a): return a").probe() as probe:
        with pytest.raises(WireError):
            probe.call("f", [object()])
        assert probe.call("f", [1]) == 1


def test_an_exception_names_its_cells_and_lines(execute: Execute) -> None:
    run = execute(
        "import numpy as np\n\ndef inner(x):\n    return np.linalg.inv(x)",
        "",
        "def outer(x):\n    # a comment\n    return inner(x)",
    )
    with run.probe() as probe, pytest.raises(Raised) as raised:
        probe.call("outer", [np.zeros((2, 2))])
    assert raised.value.type == "LinAlgError"
    assert raised.value.message == "Singular matrix"
    assert raised.value.frames == (Frame(2, 3, "outer"), Frame(1, 4, "inner"))
    assert [run.cell_of_count(frame.count) for frame in raised.value.frames] == [2, 0]


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        ("raise NotImplementedError", "NotImplementedError"),
        ("raise SystemExit(1)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("return f(x)", "RecursionError"),
        ("return [0] * (1 << 40)", "MemoryError"),
    ],
)
def test_whatever_a_function_raises_is_told(execute: Execute, body: str, type_: str) -> None:
    with execute(f"def f(x):\n    {body}").probe() as probe:
        with pytest.raises(Raised) as raised:
            probe.call("f", [1])
        assert raised.value.type == type_
        with pytest.raises(Raised):  # and the process answers on
            probe.call("f", [1])


# -- what goes wrong costs one probe ---------------------------------------------------


def test_a_call_that_hangs_costs_its_probe_only(execute: Execute) -> None:
    run = execute(
        "import signal\ndef hang():\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass\ndef f(): return 1",
        probe_seconds=1,
    )
    with run.probe() as probe:
        with pytest.raises(TimedOut):
            probe.call("hang")
        with pytest.raises(TimedOut):  # what it says later answers no other question
            probe.call("f")
    with run.probe() as probe:
        assert probe.call("f") == 1


def test_a_call_may_wait_longer_than_it_may_compute(execute: Execute) -> None:
    run = execute(
        "import time\ndef wait(): time.sleep(0.9); return 1\ndef spin():\n    while True: pass",
        probe_seconds=0.4,
    )
    with run.probe() as probe:
        assert probe.call("wait") == 1
        probe.begin()
        assert probe.call("wait") == 1
        with pytest.raises(TimedOut):
            probe.call("wait")
    with run.probe() as probe, pytest.raises(TimedOut):
        probe.call("spin")


def test_short_turns_are_charged_together(execute: Execute) -> None:
    run = execute(
        "import time\ndef spin():\n    end = time.process_time() + 0.1\n"
        "    while time.process_time() < end: pass\n    return 1",
        probe_seconds=0.6,
        judging_seconds=1.5,
    )
    turns: list[Any] = []

    def spin_on(probe: Probe) -> None:
        while True:
            turns.append(probe.call("spin"))
            probe.begin()

    with run.probe() as probe, pytest.raises(TimedOut) as over:
        spin_on(probe)
    assert over.value.whole
    assert 10 <= len(turns) <= 25


def test_a_process_that_cannot_begin_anew_is_as_good_as_dead(execute: Execute) -> None:
    run = execute("import torch\ndef f():\n    torch.set_grad_enabled = None\n    return 1")
    with run.probe() as probe:
        assert probe.call("f") == 1
        probe.begin()
        with pytest.raises(Died, match="begin anew"):
            probe.call("f")
        with pytest.raises(Died, match="begin anew"):
            probe.begin()


@pytest.mark.parametrize("hang", ["while True: pass", "time.sleep(1000)"])
def test_all_calls_together_have_a_limit_however_they_hang(execute: Execute, hang: str) -> None:
    run = execute(
        f"import time\ndef hang():\n    {hang}\ndef f(): return 1",
        probe_seconds=0.3,
        judging_seconds=0.9,
    )
    with run.probe() as earlier:
        assert earlier.call("f") == 1
        for _ in range(3):
            with run.probe() as probe, pytest.raises(TimedOut) as late:
                probe.call("hang")
            assert not late.value.whole
        for ask in (run.probe, earlier.begin):
            with pytest.raises(TimedOut) as late:
                ask()
            assert late.value.whole


def test_memory_is_watched_while_an_answer_drips_in(execute: Execute) -> None:
    run = execute(
        "import os, time\n"
        "def send(data):\n"
        "    for fd in range(3, 20):\n"
        "        try: os.write(fd, data)\n"
        "        except OSError: pass\n"
        "def drip():\n"
        "    send((20 << 20).to_bytes(8, 'big'))\n"
        "    dripping = os.fork() == 0\n"
        "    while dripping:\n"
        "        time.sleep(0.05)\n"
        "        send(b'\\0')\n"
        "    pids = [os.fork() for _ in range(2)]\n"  # four processes, each below its own limit
        "    held = bytearray(b'x') * (200 << 20)\n"
        "    time.sleep(1000)",
        memory_mb=512,
        probe_seconds=2,
    )
    with run.probe() as probe, pytest.raises(Died, match="memory"):
        probe.call("drip")


@pytest.mark.parametrize(
    "body",
    [
        "import os; os._exit(0)",
        "import ctypes; ctypes.string_at(0)",
        "import os; os.kill(os.getpid(), 9)",
        "import os; os.closerange(0, 100)",
        "import sys, os; os.close(AGENT); os._exit(0)",
        "return forge(b'\\0' * 7 + b'\\4abcd')",
        "return forge(b'\\xff' * 64)",
    ],
)
def test_a_call_that_kills_its_process_costs_its_probe_only(execute: Execute, body: str) -> None:
    run = execute(
        "import os\nAGENT = 3\n"
        "def forge(data):\n"
        "    for fd in range(3, 64):\n"
        "        try: os.write(fd, data)\n"
        "        except OSError: pass\n"
        f"def die():\n    {body}\n"
        "def f(): return 1"
    )
    with run.probe() as probe:
        with pytest.raises(Died):
            probe.call("die")
        with pytest.raises(Died):
            probe.call("f")
    with run.probe() as probe:
        assert probe.call("f") == 1


def test_no_probe_sees_what_another_changed(execute: Execute) -> None:
    run = execute(
        "import numpy as np, builtins, torch\ncalls = []\nW = np.zeros(2)\nT = torch.zeros(2)",
        "def f():\n    calls.append(1); W[:] += 1; T.add_(1)\n"
        "    np.sum = builtins.len = None\n    open('left', 'a').write('x')\n"
        "    return len2(calls), W.tolist(), T.tolist()\nlen2 = len",
    )
    for _ in range(3):
        with run.probe() as probe:
            assert probe.call("f") == (1, [1.0, 1.0], [1.0, 1.0])
            assert probe.call("f") == (2, [2.0, 2.0], [2.0, 2.0])


def test_every_probe_draws_the_same_random_numbers(execute: Execute) -> None:
    run = execute(
        "import random, numpy as np, torch\nrandom.random()\n"
        "def f(): return random.random(), np.random.rand(), torch.rand(1).item()",
        seed=3,
    )
    drawn = set()
    for _ in range(2):
        with run.probe() as probe:
            drawn.add(probe.call("f"))
    assert len(drawn) == 1


def test_a_notebook_that_computed_on_several_threads_can_be_asked(execute: Execute) -> None:
    """A fork loses the other threads of OpenMP's pool, which would be waited for for ever."""
    run = execute(
        "import torch\ntorch.set_num_threads(2)\nx = torch.ones(512, 512)",
        "def total(): return float((x @ x).sqrt().sum())\ntotal()",
        probe_seconds=2,
    )
    with run.probe() as probe:
        assert probe.call("total") == pytest.approx(512.0**2.5, rel=1e-4)


def test_what_a_call_starts_ends_with_its_probe(execute: Execute) -> None:
    run = execute(
        "import os, subprocess, time\nkept = subprocess.Popen(['sleep', '1000'])\n"
        "def leave():\n"
        "    subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork(): os._exit(0)\n"
        "        time.sleep(1000)\n"
        "    time.sleep(0.2)\n    return 1"
    )
    before = {p for p in processes.descendants(run.kernel.pid) if processes.is_running(p)}
    assert len(before) == 1
    with run.probe() as probe:
        assert probe.call("leave") == 1
        assert len(processes.descendants(run.kernel.pid)) >= 4
    for _ in range(500):
        left = {p for p in processes.descendants(run.kernel.pid) if processes.is_running(p)}
        if left == before:
            break
        os.sched_yield()
    assert left == before


def test_a_call_that_takes_too_much_memory_in_many_processes_ends(execute: Execute) -> None:
    run = execute(
        "import os, time\ndef hog():\n    for _ in range(4):\n        if os.fork() == 0:\n"
        "            x = b'x' * (200 << 20)\n            time.sleep(1000)\n    time.sleep(1000)\n"
        "def f(): return 1",
        memory_mb=512,
    )
    with run.probe() as probe, pytest.raises(Died, match="memory"):
        probe.call("hog")
    with run.probe() as probe:
        assert probe.call("f") == 1


def test_signals_and_timers_that_a_notebook_left_do_not_end_it(execute: Execute) -> None:
    run = execute(
        "import signal, os\n"
        "def late(*_): raise TimeoutError('late')\n"
        "signal.signal(signal.SIGALRM, late); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\n"
        "def kill(): os.kill(os.getppid(), signal.SIGINT); os.kill(1, signal.SIGKILL); return 1",
        "import time\ntry: time.sleep(1)\nexcept TimeoutError: print('as the notebook wants it')",
    )
    assert set(statuses(run)) <= {"ok", "error"}  # whichever line the timer hits
    for _ in range(3):
        with run.probe() as probe:
            assert probe.call("kill") == 1


def test_a_notebook_that_takes_no_questions_costs_the_time_of_a_probe(execute: Execute) -> None:
    run = execute("import os\nos.register_at_fork(before=lambda: os._exit(9))\nx = 1")
    with run.probe() as probe, pytest.raises(Died):
        probe.variables()
    run = execute(
        "import os, time\nos.register_at_fork(after_in_child=lambda: time.sleep(1000))\nx = 1",
        probe_seconds=0.5,
    )
    with run.probe() as probe, pytest.raises(TimedOut):
        probe.variables()


def test_output_of_a_call_goes_nowhere(execute: Execute) -> None:
    run = execute(
        "import os\ndef f():\n    print('x' * 10**6)\n    os.system('echo y')\n    return 1"
    )
    with run.probe() as probe:
        assert probe.call("f") == 1


# -- values that stay there ------------------------------------------------------------

MODEL = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, classes=2, width=1.0):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, int(4 * width), 3, padding=1, bias=False), nn.BatchNorm2d(int(4 * width)),
            nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(int(4 * width), classes)
    def forward(self, x):
        return self.head(torch.flatten(self.features(x), 1))
"""
# The same function: other names, registered back to front, a bias too many, a 1x1 convolution.
OTHER = """
class Anders(nn.Module):
    def __init__(self, klassen=2):
        super().__init__()
        self.z = nn.Conv2d(4, klassen, 1)
        self.norm = nn.BatchNorm2d(4)
        self.eins = nn.Conv2d(1, 4, 3, padding='same')
    def forward(self, x):
        x = nn.functional.relu(self.norm(self.eins(x)))
        return self.z(x.mean((2, 3), keepdim=True))[:, :, 0, 0]
"""


@pytest.fixture
def network(execute: Execute) -> Run:
    return execute(MODEL, OTHER)


def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 1, 5, 5)).astype(np.float32)


def given_weights() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return [
        {"weight": draw(4, 1, 3, 3)},
        {
            "weight": draw(4),
            "bias": draw(4),
            "running_mean": draw(4),
            "running_var": np.abs(draw(4)),
        },
        {"weight": draw(2, 4), "bias": draw(2)},
    ]


def expected_output() -> np.ndarray:
    from torch.nn import functional as F  # noqa: N812

    conv, norm, linear = ({k: torch.tensor(v) for k, v in w.items()} for w in given_weights())
    x = F.conv2d(torch.tensor(images()), conv["weight"], padding=1)
    x = F.batch_norm(x, norm["running_mean"], norm["running_var"], norm["weight"], norm["bias"])
    return F.linear(x.relu().mean((2, 3)), linear["weight"], linear["bias"]).numpy()


def tensor(array: np.ndarray) -> TensorValue:
    return TensorValue(array, array.dtype.name)


def test_values_can_be_kept_passed_on_and_looked_into(network: Run) -> None:
    source = "def double(model, n):\n    return {'model': model, 'n': [n, 2 * n]}"
    with network.probe() as probe:
        model = probe.call("Net", [3], keep=True)
        assert type(model) is Reference
        made = probe.ask({"ask": "make", "source": source, "name": "double", "args": [model, 4]})
        assert (
            probe.ask({"ask": "attribute", "target": model, "path": ["head", "out_features"]}) == 3
        )
        item = {"ask": "attribute", "target": made, "path": [], "keep": False}
        assert type(probe.ask(item)) is Description
        weight = {"ask": "attribute", "target": model, "path": ["head", "weight", "shape", 0]}
        assert probe.ask(weight) == 3
        kept = probe.ask({"ask": "attribute", "target": model, "path": ["head"], "keep": True})
        assert probe.call(kept, [tensor(np.ones((1, 4), np.float32))]).array.shape == (1, 3)
        assert probe.ask({"ask": "value", "target": kept}).kind == "object"


def test_references_of_nobody_are_told_as_errors(network: Run) -> None:
    with network.probe() as probe, pytest.raises(Raised, match="IndexError"):
        probe.ask({"ask": "value", "target": Reference(99)})


facts = msgspec.msgpack.decode


def test_an_outline_that_holds_more_than_the_given_weights_is_refused_also_after_a_trace() -> None:
    scope: dict[str, Any] = {}
    exec(
        "from torch import nn\nimport torch\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(2, 1)\n"
        "        self.register_buffer('mean', torch.tensor([1.0, 2.0]))\n"
        "    def forward(self, x):\n"
        "        return self.layer(x - self.mean)\n",
        scope,
    )
    agent = Agent(scope, 1 << 20)
    weights = [{"weight": np.ones((1, 2), np.float32), "bias": np.zeros(1, np.float32)}]
    call = {"ask": "call", "target": "Net", "args": [], "kwargs": {}, "choices": [], "keep": True}
    images = torch.zeros(1, 2)
    forward = {"ask": "forward", "inputs": [images], "weights": weights, "training": False}

    def ask(question: dict[str, Any]) -> Any:
        return unpack(agent.answer(question))

    outline = ask({**call, "outline": True})["value"]
    assert "value" in ask({"ask": "trace", "target": outline, "inputs": [images]})
    assert ask({**forward, "target": outline}) == {"refused": "outline"}
    full = ask({**call, "outline": False})["value"]
    assert ask({**forward, "target": full})["value"].array.tolist() == [[-3.0]]


def test_the_structure_of_a_model_is_told(network: Run) -> None:
    with network.probe() as probe:
        model = probe.call("Net", [], {"width": 2.0}, keep=True)
        modules = facts(probe.ask({"ask": "modules", "target": model}))
        parameters = facts(probe.ask({"ask": "parameters", "target": model}))
    conv = next(m for m in modules if m["type"] == "Conv2d")
    assert conv["path"] == "features.0"
    assert conv["options"] == {
        "in_channels": 1, "out_channels": 8, "kernel_size": [3, 3], "stride": [1, 1],
        "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": False,
    }  # fmt: skip
    assert ["head.weight", [2, 8], True] in parameters


def test_a_forward_pass_is_traced_in_the_order_in_which_it_runs(network: Run) -> None:
    with network.probe() as probe:
        model = probe.call("Anders", keep=True)
        question = {"ask": "trace", "target": model, "inputs": [tensor(images())]}
        assert facts(probe.ask(question))["operations"] == []
        told = facts(probe.ask({**question, "operations": True}))
    assert [layer["path"] for layer in told["layers"]] == ["eins", "norm", "z"]
    assert told["layers"][0]["output"] == [3, 4, 5, 5]
    names = [operation["name"] for operation in told["operations"]]
    assert names.index("convolution") < names.index("relu") < names.index("mean")
    assert told["output"] == [3, 2]


@pytest.mark.parametrize("name", ["Net", "Anders"])
def test_given_weights_give_the_same_output_whatever_the_model_looks_like(
    network: Run, name: str
) -> None:
    """Other names, another order, a superfluous bias, a 1x1 convolution instead of a linear layer."""
    with network.probe() as probe:
        model = probe.call(name, keep=True)
        answer = probe.ask(
            {
                "ask": "forward",
                "target": model,
                "inputs": [tensor(images())],
                "weights": given_weights(),
                "training": False,
            }
        )
    np.testing.assert_allclose(answer.array, expected_output(), rtol=1e-4, atol=1e-5)


def test_a_forward_pass_without_weights_uses_the_models_own(network: Run) -> None:
    question = {"ask": "forward", "inputs": [tensor(images())], "weights": None, "training": False}
    with network.probe() as probe:
        model = probe.call("Net", keep=True)
        first, second = (probe.ask({**question, "target": model}) for _ in range(2))
        training = probe.ask({**question, "target": model, "training": True})
    assert np.array_equal(first.array, second.array)
    assert not np.array_equal(first.array, training.array)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w[:2], "3 layers with weights, 2 expected"),
        (lambda w: [{**w[0], "extra": w[0]["weight"]}, *w[1:]], "has no extra"),
        (lambda w: [{"weight": w[0]["weight"][:2]}, *w[1:]], "has shape"),
        (lambda w: [w[0], {"weight": w[1]["weight"]}, w[2]], "has running_mean"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_the_place(
    network: Run, change: Any, says: str
) -> None:
    with network.probe() as probe:
        model = probe.call("Net", keep=True)
        with pytest.raises(Refused, match=says):
            probe.ask(
                {
                    "ask": "forward",
                    "target": model,
                    "inputs": [tensor(images())],
                    "weights": change(given_weights()),
                    "training": False,
                }
            )


# -- functions of the grader's -----------------------------------------------------------


def test_student_code_calls_functions_that_the_grader_computes(execute: Execute) -> None:
    run = execute(
        "def use(f):\n    return [f(2), f(x=3), f([1, (2,)], x=None), type(f).__name__]",
        "def odd(f):\n    found = []\n    for args in ((), (1, 2, 3), (object(),), ('refuse',)):\n"
        "        try: found.append(f(*args))\n        except Exception as error: found.append(type(error).__name__)\n"
        "    return found",
        "import os\ndef elsewhere(f):\n    r, w = os.pipe()\n    if not os.fork():\n"
        "        try: f(1)\n        except RuntimeError: os.write(w, b'refused')\n        os._exit(0)\n"
        "    return os.read(r, 10)",
        "def many(f):\n    while True: f(1)",
    )
    asked: list[Any] = []

    def function(value: Any = 0, x: Any = 1) -> Any:
        asked.append((value, x))
        if value == "refuse":
            raise KeyError("what")
        return {"was": value}

    with run.probe() as probe:
        reference = probe.offer(function, "f")
        assert probe.call("use", [reference]) == [
            {"was": 2}, {"was": 0}, {"was": [1, (2,)]}, "function",
        ]  # fmt: skip
        assert asked == [(2, 1), (0, 3), ([1, (2,)], None)]
        found = probe.call("odd", [reference])
        assert found[:2] == [{"was": 0}, "TypeError"]
        assert (found[2]["was"].kind, found[3]) == ("object", "KeyError")
        assert probe.call("elsewhere", [reference]) == b"refused"
        with pytest.raises(Died, match="too often"):
            probe.call("many", [reference])


def test_calling_the_graders_functions_by_hand_reaches_no_other(execute: Execute) -> None:
    run = execute(
        "import sys\nwire = sys.modules['caged.wire']; frames = sys.modules['caged.frames']\n"
        "def by_hand(f, message):\n    line = f.__closure__[0].cell_contents\n"
        "    line = line if hasattr(line, 'sock') else f.__closure__[1].cell_contents\n"
        "    frames.send_frame(line.sock, wire.pack(message, 1 << 20))\n    return 1",
    )
    for message in (
        {"called": 7, "args": [], "kwargs": {}},
        {"called": -1, "args": [], "kwargs": {}},
        {"called": "f", "args": [], "kwargs": {}},
        {"called": 0, "args": 3, "kwargs": {}},
        {"called": 0},
    ):
        with run.probe() as probe:
            reference = probe.offer(lambda: 1, "f")
            with pytest.raises(Died, match="no answer"):
                probe.call("by_hand", [reference, message])


def test_a_watch_looks_on_while_bytes_drip_in() -> None:
    ours, theirs = socket.socketpair()
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise frames.Closed("seen enough")

    def drip() -> None:
        theirs.send((1 << 20).to_bytes(8, "big"))
        while len(looks) < 3:
            theirs.send(b"\0")
            time.sleep(0.01)

    dripping = threading.Thread(target=drip)
    dripping.start()
    with ours, theirs:
        with pytest.raises(frames.Closed, match="seen enough"):
            frames.receive_frame(ours, 1 << 21, time.monotonic() + 20, watch=look)
        dripping.join()
