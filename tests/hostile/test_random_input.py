"""A short campaign of random input; `python -m bench.fuzz` runs it at any length."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from bench.fuzz import TooSlow, campaign
from bench.fuzzing import TARGETS, Target

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_read_or_refused_with_the_documented_error(name: str) -> None:
    result = campaign(TARGETS[name], 80, seed=7)
    assert result.failure is None, (result.failing_input, result.failure)
    assert result.inputs >= 80
    assert result.outcomes["read"], "some of the inputs must get through, or nothing was tried"
    assert len(result.outcomes) > 1


def test_a_defect_is_found_and_shrunk_to_the_smallest_input_that_shows_it() -> None:
    def read(text: str) -> str:
        if "é" in text.lower():
            raise KeyError(text)
        return "read"

    result = campaign(Target("defect", st.text("aéÉ", max_size=30), read), 1000)
    assert isinstance(result.failure, KeyError)
    assert len(result.failing_input) == 1


def test_an_input_that_takes_for_ever_is_a_defect() -> None:
    def read(number: int) -> str:
        while number == 3:
            pass
        return "read"

    result = campaign(Target("endless", st.integers(0, 3), read), 100, seconds=0.05)
    assert isinstance(result.failure, TooSlow)
    assert result.failing_input == 3


def test_the_campaign_is_a_command_that_counts_its_inputs() -> None:
    command = [sys.executable, "-m", "bench.fuzz", "--inputs", "50", "--seed", "1", "roster"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "50 inputs in" in done.stdout
    assert "0 targets failed" in done.stdout
