"""A standard ipykernel gives what the forked kernel gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np
import pytest
from nbformat import NotebookNode, v4

from grader.kernel import processes
from grader.kernel.cold import ColdKernel
from grader.kernel.probe import Died, Raised, TimedOut
from grader.kernel.run import Run, process_limits, run_notebook
from tests.kernel.notebooks import GENEROUS, Execute, notebook_of, printed, statuses
from tests.kernel.test_cage import HEAD, HOLDS, REFUSED

FILES = {PurePosixPath("data/points.csv"): b"1,2\n3,4\n"}
SEED = 11
LIMITS = msgspec.structs.replace(GENEROUS, output_kb=64, probe_seconds=20)

MODEL = """
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
    def forward(self, x):
        return self.layer(x)
"""
RICH: list[str | NotebookNode] = [
    "import random, sys\nimport numpy as np, torch\nfrom IPython.display import HTML, display",
    "print('سلام', random.random(), np.random.rand(2), torch.rand(2))\nnp.arange(3)",
    "print('out')\nprint('err', file=sys.stderr)\nprint('out again')",
    "data = np.loadtxt('data/points.csv', delimiter=',')\nopen('note', 'w').write('x')\ndata",
    "def half(x):\n    return x / 0",
    "half(data.shape[0])",
    "def broken(:",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot(data[0], data[1])\nplt.title('t')\nplt.show()",
    "handle = display('first', display_id=True)\nprint('between')\ndisplay(HTML('<b>b</b>'))",
    "handle.update('second')",
    "import asyncio\nawait asyncio.sleep(0)\n'awaited'",
    "!ls; cat note",
    "%%bash\necho from bash; echo wrong >&2; exit 2",
    "import subprocess, os\nsubprocess.run(['echo', 'from a child'])\n_ = os.system('echo and another')",
    "input('? ')",
    "%%writefile kept.txt\ntext",
    "print(os.environ['HOME'], os.getcwd(), sorted(os.listdir()), os.getuid())",
    "for i in range(100_000): print('x' * 50)\n1 / 0",
    "for i in range(3): print(f'\\rstep {i}', end='')",
    "raise SystemExit(3)",
    "",
    v4.new_code_cell("trained = 1", metadata={"tags": ["recorded"]}),
    "import warnings\nwarnings.warn('be careful')",
    "%time x = 5",
    "x, torch.nn.Linear(2, 2).weight.shape, _3",
    MODEL,
    "calls = []\ndef count(n):\n    calls.append(n)\n    return len(calls), random.random()",
]


@pytest.fixture(scope="module")
def cold() -> Iterator[Run]:
    run = run_notebook(notebook_of(*RICH), start_cold, LIMITS)
    with run:
        yield run


def start_cold() -> ColdKernel:
    return ColdKernel(
        process_limits(LIMITS), files=FILES, seed=SEED, output_bytes=LIMITS.output_kb << 10
    )


def shown(cell: NotebookNode) -> list[Any]:
    """The outputs of a cell, without what depends on the clock."""
    outputs = msgspec.to_builtins(cell.outputs)
    return [o for o in outputs if "Wall time" not in str(o)]


def test_both_kernels_give_the_same_results_and_outputs(cold: Run, execute: Execute) -> None:
    limits = {name: getattr(LIMITS, name) for name in LIMITS.__struct_fields__}
    forked = execute(*RICH, files=FILES, seed=SEED, **limits)
    for ours, theirs in zip(forked.cells, cold.cells, strict=True):
        same = msgspec.structs.replace(theirs, seconds=ours.seconds)
        assert ours == same, RICH[ours.index]
        cells = [run.notebook.cells[ours.index] for run in (forked, cold)]
        assert shown(cells[0]) == shown(cells[1])
    assert forked.layers == cold.layers
    assert [run.replays for run in (forked, cold)] == [0, 0]


def test_it_answers_questions_in_forks(cold: Run) -> None:
    for _ in range(2):
        with cold.probe() as probe:
            first = probe.call("count", [1])
            assert first[0] == 1
            assert probe.call("count", [1])[0] == 2
    with cold.probe() as probe:
        assert probe.call("count", [1])[1] == first[1]
        assert np.array_equal(probe.variables()["data"], [[1, 2], [3, 4]])
        with pytest.raises(Raised) as raised:
            probe.call("half", [1])
        assert cold.cell_of_count(raised.value.frames[0].count) == 4
        model = probe.call("Model", keep=True)
        parameters = msgspec.msgpack.decode(probe.ask({"ask": "parameters", "target": model}))
        assert parameters[0] == ["layer.weight", [2, 3], True]


def test_it_is_in_the_same_cage(cold: Run) -> None:
    names = [layer.partition(" (")[0] for layer in cold.layers]
    assert names[0] == "bubblewrap"
    assert {"user", "network", "landlock", "seccomp"} <= set(names)


def test_a_cell_that_dies_costs_its_own_names_and_the_cage_holds() -> None:
    attempts = [
        REFUSED["password hashes"],
        REFUSED["a mount"],
        REFUSED["raw packets"],
        "open('/channel/file', 'w')",
        "open('/questions/file', 'w')",
        "os.symlink('/etc/shadow', '/questions/1')",
    ]
    sources = [
        HEAD,
        "import os\nx = 1",
        "os._exit(3)",
        *attempts,
        HOLDS["an ordinary user without capabilities"],
        "y = x + 1\ndef hang():\n    while True: pass\ndef die(): os._exit(1)",
        "print(y)",
    ]
    limits = msgspec.structs.replace(LIMITS, probe_seconds=1)
    folders: list[Path] = []

    def start() -> ColdKernel:
        kernel = start_cold()
        folders.append(kernel._folder)
        return kernel

    run = run_notebook(notebook_of(*sources), start, limits)
    expected = ["ok", "ok", "died", *["error"] * len(attempts), "ok", "ok", "ok"]
    assert statuses(run) == expected, run.cells
    assert (run.cells[2].reason, run.cells[2].detail) == ("exit", 3)
    assert printed(run) == "2\n"
    with run.probe() as probe, pytest.raises(TimedOut):
        probe.call("hang")
    with run.probe() as probe, pytest.raises(Died):
        probe.call("die")
    with run.probe() as probe:
        assert probe.variables()["y"] == 2
    family = processes.descendants(run.kernel.pid)
    run.close()
    run.close()
    assert len(folders) == 2
    assert not any(folder.exists() for folder in folders)
    assert not [pid for pid in family if processes.is_running(pid)]
    with pytest.raises(Died):
        run.probe()
