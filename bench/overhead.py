"""What running one notebook costs beyond its own cells, in CPU time.

    python bench/overhead.py [--submissions N] [--probes N] [--cold N]

CPU time (user and system) of the grader, the zygote and all processes that
they started, as a control group counts it (so it needs to be root): what ends
unreaped with its pid namespace is in no other account. The stages are
differences between runs that do one thing more, each an average over many
submissions.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import torch
from IPython.core.pylabtools import print_figure
from metering import Group
from nbformat import NotebookNode, v4

from grader.checks.forks import Forks
from grader.checks.session import Judge, run_session
from grader.course.assignment import Limits, read_assignment
from grader.course.course import read_course
from grader.grading.records import occasion, write_files
from grader.grading.release import solution
from grader.grading.submission import Grader, KernelName
from grader.grading.warm import settle
from grader.grading.worker import files_of
from grader.kernel.caged import wire
from grader.kernel.caged.agent import Agent, torch_tensor
from grader.kernel.cold import ColdKernel
from grader.kernel.forked import ForkedKernel
from grader.kernel.probe import Probe
from grader.kernel.run import Kernel, process_limits, run_notebook
from grader.kernel.zygotes import Zygote

LIMITS = Limits()
CELLS = [
    "import numpy as np\nimport torch\nfrom torch import nn",
    "X = np.arange(12.0).reshape(3, 4)\nprint(X.sum())\nX",
    "def conv(X, W):\n    return sum(W[i] * X[i : len(X) - len(W) + i + 1] for i in range(len(W)))",
    "model = nn.Linear(4, 2)\nprint(sum(p.numel() for p in model.parameters()))",
    "answer = conv(X, [1.0, -1.0])",
]


def notebook_of(sources: list[str]) -> NotebookNode:
    """A notebook with these code cells."""
    return v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources])


class Cost:
    """CPU and wall time of one submission in milliseconds: the best of some batches.

    Whatever else this machine does only adds to them.
    """

    def __init__(self, group: Group, one: Callable[[], object], *, batches: int, size: int) -> None:
        self._group = group
        one()
        settle()
        measured = [self._batch(one, size) for _ in range(batches)]
        self.grader, self.kernel, self.wall = min(measured, key=lambda m: m[0] + m[1])

    def _batch(self, one: Callable[[], object], size: int) -> tuple[float, float, float]:
        everything, grader, wall = self._group.cpu, time.process_time(), time.perf_counter()
        for _ in range(size):
            one()
        grader = time.process_time() - grader
        scale = 1000 / size
        return (
            grader * scale,
            (self._group.cpu - everything - grader) * scale,
            (time.perf_counter() - wall) * scale,
        )

    @property
    def total(self) -> float:
        """CPU time of the grader and the kernel."""
        return self.grader + self.kernel


def submission(start: Callable[[], Kernel], sources: list[str], probes: int) -> None:
    """Run a notebook and ask it questions, as for one submission."""
    with run_notebook(notebook_of(sources), start, LIMITS) as run:
        if probes:
            with run.probe() as probe:
                probe.variables()
        forks = Forks(run.probe)
        forks.shared = True  # as the checks have them, as long as they pass
        for _ in range(1, probes):
            probe = forks.lend()
            probe.call("conv", [np.arange(6.0), np.array([1.0, -1.0])])
            forks.give_back(probe)
        forks.end()


def forked(zygote: Zygote) -> Kernel:
    child = zygote.start_child(process_limits(LIMITS), output_bytes=LIMITS.output_kb << 10)
    return ForkedKernel(child, LIMITS.output_kb << 10)


def cold() -> Kernel:
    return ColdKernel(process_limits(LIMITS), output_bytes=LIMITS.output_kb << 10)


def report(title: str, cost: Cost, before: Cost | None = None) -> None:
    grader, kernel, wall = cost.grader, cost.kernel, cost.wall
    if before is not None:
        grader, kernel, wall = grader - before.grader, kernel - before.kernel, wall - before.wall
    print(f"  {title:<38} {grader:8.1f} {kernel:8.1f} {grader + kernel:8.1f} {wall:9.1f}")


def draw_figures() -> None:
    """Make pictures of all open figures and close them, as a notebook does after each cell."""
    for number in plt.get_fignums():
        print_figure(plt.figure(number), base64=True)
    plt.close("all")


def answering(questions: list[bytes], scope: dict[str, object]) -> float:
    """CPU time in seconds of answering these questions about executed cells."""
    agent = Agent(scope, 1 << 30)
    taken = 0.0
    for payload in questions:
        question = wire.unpack(payload, tensor=torch_tensor)
        started = time.process_time()
        agent.answer(question)
        taken += time.process_time() - started
    return taken


class HandIn:
    """A solved hand-in of a course, graded whole: found, read, run, judged, scored, its card written.

    ``overhead`` is what that costs beyond the CPU time of the student's own code: its cells, and its
    functions as the checks call them. Both run here once more, in a process that has imported
    everything, as the zygote has, with figures drawn inline.
    """

    def __init__(self, root: Path, slug: str, folder: Path) -> None:
        self.course = read_course(root)
        self.assignment = read_assignment(self.course, slug)
        self.notebook = solution(self.assignment, self.course.languages)
        self.folder = folder
        self.path = folder / f"{slug}.ipynb"
        nbformat.write(self.notebook, self.path)

    def alone(self) -> tuple[float, float]:
        """CPU time of the cells, and of what checks call, in milliseconds: the best of some runs."""
        plt.switch_backend("agg")
        torch.set_num_threads(1)  # as in the kernel
        conversations = self.questions()
        sources = [
            compile(cell.source, "cell", "exec")
            for cell in self.notebook.cells
            if cell.cell_type == "code" and "recorded" not in cell.metadata.get("tags", [])
        ]
        cells, calls = [], []
        for _ in range(6):
            scope: dict[str, object] = {"__name__": "__main__"}
            settle()
            with contextlib.redirect_stdout(io.StringIO()):
                started = time.process_time()
                for source in sources:
                    exec(source, scope)
                    draw_figures()
                cells.append(time.process_time() - started)
                gc.disable()  # as in a fork
                calls.append(sum(answering(questions, scope) for questions in conversations))
                gc.enable()
        return min(cells) * 1000, min(calls) * 1000

    def questions(self) -> list[list[bytes]]:
        """What the checks ask of the hand-in, by fork, as it goes over the wire."""
        asked: dict[Probe, list[bytes]] = {}
        ask = Probe.ask

        def noted(probe: Probe, question: Mapping[str, Any]) -> Any:
            asked.setdefault(probe, []).append(wire.pack(dict(question), 1 << 30))
            return ask(probe, question)

        def work(judge: Judge) -> None:
            with Grader(judge) as grader:
                grader.grade("bench", self.path)

        Probe.ask = noted  # type: ignore[method-assign]
        try:
            run_session(self.assignment, work)
        finally:
            Probe.ask = ask  # type: ignore[method-assign]
        return list(asked.values())

    def cost(self, group: Group, kernel: KernelName, batches: int, size: int) -> Cost:
        """Grade it again and again with `kernel`."""

        def work(judge: Judge) -> Cost:
            with Grader(judge, kernel=kernel) as grader:

                def one() -> None:
                    graded = grader.grade("bench", self.path)
                    assert graded.report.score.points > 0
                    write_files(
                        self.folder / graded.report.student,
                        files_of(graded, occasion(self.course, self.assignment)),
                    )

                return Cost(group, one, batches=batches, size=size)

        return run_session(self.assignment, work)


def whole_submissions(group: Group, batches: int, cold_batches: int) -> None:
    """Print what grading a whole hand-in costs beyond the student's own code."""
    root = Path(__file__).resolve().parents[1]
    print()
    print("milliseconds of CPU of a whole hand-in: read, run, judged, scored, card written")
    print(f"  {'':<30} {'all':>8} {'cells':>8} {'calls':>8} {'overhead':>9} {'wall':>9}")
    for place, slug in ((root / "tests" / "warmup_course", "warmup"), (root, "hw4_convnets")):
        with tempfile.TemporaryDirectory() as folder:
            hand_in = HandIn(place, slug, Path(folder))
            cells, calls = hand_in.alone()
            overheads = []
            for kernel, runs in (("forked", batches), ("cold", cold_batches)):
                cost = hand_in.cost(group, kernel, runs, 4 if kernel == "forked" else 1)
                overheads.append(cost.total - cells - calls)
                title = f"{slug}, {kernel}"
                print(
                    f"  {title:<30} {cost.total:8.1f} {cells:8.1f} {calls:8.1f} "
                    f"{overheads[-1]:9.1f} {cost.wall:9.1f}"
                )
            print(f"  cold / forked: {overheads[1] / overheads[0]:.0f} times the overhead")


def stages(group: Group, options: argparse.Namespace) -> None:
    """Print what the stages of running one small notebook cost."""
    totals = {}
    print(f"milliseconds of one notebook with {len(CELLS)} cells and {options.probes} probes")
    print(f"  {'':<38} {'grader':>8} {'kernel':>8} {'CPU':>8} {'wall':>9}")
    for name, caged in (("forked kernel, caged", True), ("forked kernel, no cage", False)):
        with Zygote(caged=caged) as zygote:

            def start(zygote: Zygote = zygote) -> Kernel:
                return forked(zygote)

            print(name)
            batches = {"batches": options.batches, "size": options.submissions}
            empty = Cost(group, lambda: submission(start, [], 0), **batches)
            cells = Cost(group, lambda: submission(start, CELLS, 0), **batches)
            whole = Cost(group, lambda: submission(start, CELLS, options.probes), **batches)
            report("fork, confine, end", empty)
            report("cells", cells, empty)
            report("probes", whole, cells)
            report("whole", whole)
            totals[name] = whole, empty
    print("cold kernel, caged")
    slow = Cost(
        group, lambda: submission(cold, CELLS, options.probes), batches=options.cold, size=1
    )
    report("whole", slow)
    whole, empty = totals["forked kernel, caged"]
    uncaged = totals["forked kernel, no cage"][1]
    print(
        f"cold / forked: {slow.total / whole.total:.0f} times the CPU, {slow.wall / whole.wall:.0f} times the wall time"
    )
    print(
        f"the cage: {empty.total - uncaged.total:.1f} ms of CPU a submission beyond an uncaged "
        f"fork, {empty.wall - uncaged.wall:.1f} ms of wall time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--submissions", type=int, default=8, help="in a batch")
    parser.add_argument("--probes", type=int, default=20)
    parser.add_argument("--cold", type=int, default=2, help="submissions with the cold kernel")
    options = parser.parse_args()
    with Group() as group, group.around():
        stages(group, options)
        whole_submissions(group, options.batches, options.cold)


if __name__ == "__main__":
    main()
