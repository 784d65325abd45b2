"""Arbitrary and damaged input for everything that reads what strangers wrote.

    python -m bench.fuzz [--inputs N] [--seed N] [--seconds N] [TARGET ...]

The readers are those of the wire, of Jupyter's messages, of notebooks, the code
in them and archives, of answers, training logs and tables, and of a course's
records. Each input must be read or refused with the documented error, within a
bounded CPU time. What is not is shrunk to the smallest input that shows it, told
with its traceback, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase

from bench.fuzzing import TARGETS, Target

_ROUND = 5_000
"""Inputs of one hypothesis test: it remembers all of them."""


class TooSlow(BaseException):
    """An input took more CPU time than any may."""


class Result:
    """What came of one campaign against one target."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0
        self.slowest_input: Any = None
        self.failure: BaseException | None = None
        self.failing_input: Any = None

    @property
    def inputs(self) -> int:
        return self.outcomes.total()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TooSlow in what takes longer, in CPU time."""

    def stop(*_: object) -> None:
        raise TooSlow(f"more than {seconds:g} seconds")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def campaign(
    target: Target, inputs: int, *, seed: int = 0, seconds: float = 5, rounds: int = _ROUND
) -> Result:
    """Give `inputs` inputs to a target; stop at the first that it does not stand."""
    result = Result()
    number = 0
    while result.inputs < inputs and result.failure is None:
        before = result.inputs
        _round(target, min(rounds, inputs - before), seed + number, seconds, result)
        number += 1
        if result.inputs == before:
            break  # there are no more of them
    return result


def _round(target: Target, inputs: int, seed: int, seconds: float, result: Result) -> None:
    def read(value: Any) -> None:
        started = time.process_time()
        try:
            with within(seconds):
                outcome = target.read(value)
        except (Exception, TooSlow) as error:
            result.failure, result.failing_input = error, value
            outcome = "failed"
            # Hypothesis shrinks what fails with an exception of the ordinary kind.
            raise AssertionError(type(error).__name__) from error
        finally:
            took = time.process_time() - started
            if took > result.slowest:
                result.slowest, result.slowest_input = took, value
        result.outcomes[outcome] += 1

    test: Callable[[], None] = hypothesis.seed(seed)(
        hypothesis.settings(
            max_examples=inputs,
            database=None,
            deadline=None,
            print_blob=False,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            verbosity=hypothesis.Verbosity.quiet,
        )(hypothesis.given(target.inputs)(read))
    )
    try:
        test()
    except AssertionError:
        result.outcomes["failed"] += 1


def _told(name: str, result: Result) -> str:
    outcomes = ", ".join(f"{count} {what}" for what, count in result.outcomes.most_common())
    line = f"{name:<11} {result.inputs:>8} inputs: {outcomes}; slowest {result.slowest:.3f} s"
    if result.failure is None:
        return line
    trace = "".join(traceback.format_exception(result.failure))
    return f"{line}\n  {result.failing_input!r:.2000}\n{trace}"


def main() -> int:
    """Run the campaign that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], help="all when left out")
    parser.add_argument("--inputs", type=int, default=20_000, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5, help="CPU time that one input may take")
    options = parser.parse_args()
    total, failed = 0, 0
    started = time.process_time()
    for name in options.target or TARGETS:
        result = campaign(TARGETS[name], options.inputs, seed=options.seed, seconds=options.seconds)
        print(_told(name, result), flush=True)
        total += result.inputs
        failed += result.failure is not None
    took = time.process_time() - started
    print(
        f"{total} inputs in {took:.0f} s of CPU time, seed {options.seed}; {failed} targets failed"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
