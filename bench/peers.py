"""The same hand-ins, twenty unless told, graded by Karnameh, nbgrader and Otter-Grader, each its fastest way.

    python bench/peers.py [--rounds N] [--students N] [--environments FOLDER]

Installs pinned peers into environments of their own (once, some gigabytes), then grades the class
with all three in turn, round after round, and prints medians and ratios. The peers start two
processes, Karnameh what pays; once from nothing, and once with workers that `grader serve` keeps warm, whose CPU
time and memory count with the command's. Karnameh's cage is on; the others have none. Needs root, for the kernel's accounting.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "tensors"), str(HERE)]

from hand_ins import students  # noqa: E402
from metering import Group, Used, measure  # noqa: E402
from sides import Karnameh, Nbgrader, Otter, Served, Side, environment_of  # noqa: E402


def python_of(side: type[Nbgrader | Otter], folder: Path) -> Path:
    """Return the Python of a peer's own environment, which is made when it is not there."""
    place = folder / side.name.lower()
    python = place / "bin" / "python"
    ready = place / "ready"
    if not ready.exists():
        print(f"installing {' '.join(side.requirements)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pins = [f"torch=={version('torch').partition('+')[0]}", f"numpy=={version('numpy')}"]
        command = [python, "-m", "pip", "install", "--quiet", *side.requirements, *pins]
        subprocess.run(command, check=True)
        ready.touch()
    return python


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--students", type=int, default=20)
    parser.add_argument("--environments", type=Path, default=HERE.parent / ".peers")
    options = parser.parse_args()
    kinds = {kind: python_of(kind, options.environments.resolve()) for kind in (Nbgrader, Otter)}
    own = Path(sys.executable)
    served = Served(own)
    sides: list[tuple[Side, Path]] = [(Karnameh(own), own), (served, own)]
    sides += [(kind(python), python) for kind, python in kinds.items()]
    answers = students(options.students)
    with tempfile.TemporaryDirectory() as name, Group() as group, contextlib.ExitStack() as stack:
        folder = Path(name)
        log = folder / "log"
        for side, _ in sides:
            side.prepare(folder / side.name.lower(), answers)
        served.start(group, log)
        stack.callback(served.stop)
        used: dict[str, list[Used]] = {side.name: [] for side, _ in sides}
        for number in range(options.rounds + 1):
            for side, python in sides:
                side.clear()
                try:
                    took = measure(
                        side.commands(),
                        folder=folder,
                        environment=environment_of(python.parent),
                        log=log,
                        beside=group if side is served else None,
                    )
                except RuntimeError:
                    print(log.read_text()[-4000:], file=sys.stderr)
                    raise
                if number:  # the first round fills caches of files
                    used[side.name].append(took)
                print(f"round {number}: {side.name} {took.wall:.1f} s", file=sys.stderr)
        agree(sides)
    show(used, len(answers))


def agree(sides: list[tuple[Side, Path]]) -> None:
    """Make sure that all sides did the same work: they give every student the same points."""
    first, *others = [side.scores() for side, _ in sides]
    for (side, _), scores in zip(sides[1:], others, strict=True):
        different = {
            s: (first.get(s), scores.get(s))
            for s in first | scores
            if first.get(s) != scores.get(s)
        }
        if different:
            raise SystemExit(f"{sides[0][0].name} and {side.name} differ: {different}")
    print(f"all give the same points, {min(first.values()):g} to {max(first.values()):g} of 10")


def show(used: dict[str, list[Used]], count: int) -> None:
    """Print medians for each hand-in, and how many times Karnameh's, started anew and kept warm."""
    print(
        f"{count} hand-ins, {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    )
    print(f"  {'':<14} {'':>28} {'times Karnameh':>17} {'times kept warm':>17}")
    titles = " ".join(f"{'wall':>10} {'CPU':>6}" for _ in range(2))
    print(f"  {'each':<14} {'wall s':>8} {'CPU s':>8} {'memory MB':>10} {titles}")
    medians = {
        name: (
            statistics.median(one.wall for one in rounds) / count,
            statistics.median(one.cpu for one in rounds) / count,
            statistics.median(one.memory for one in rounds) / 1e6,
        )
        for name, rounds in used.items()
    }
    cold, warm, *_ = medians.values()
    for name, (wall, cpu, memory) in medians.items():
        times = " ".join(f"{wall / ours[0]:10.1f} {cpu / ours[1]:6.1f}" for ours in (cold, warm))
        print(f"  {name:<14} {wall:8.3f} {cpu:8.3f} {memory:10.0f} {times}")


if __name__ == "__main__":
    main()
