"""When a notebook counts as saved: whole, and once for each save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grader.grading.saves import LOOK_SECONDS, PATIENCE_SECONDS, saves


class Clock:
    """Takes the place of `sleep`: at each look the next thing happens to the file."""

    def __init__(self, *happenings: Callable[[], object] | None) -> None:
        self.happenings = list(happenings)
        self.looks = 0

    def __call__(self, seconds: float) -> None:
        assert seconds == LOOK_SECONDS
        self.looks += 1
        if self.looks > 200:
            raise TimeoutError("nothing was told in 200 looks")
        if self.happenings and (happening := self.happenings.pop(0)):
            happening()


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "homework.ipynb"
    path.write_text("{}")
    return path


def test_the_notebook_is_told_at_once_and_again_after_a_save(notebook: Path) -> None:
    clock = Clock(None, None, lambda: notebook.write_text('{"cells": []}'))
    told = saves(notebook, sleep=clock)
    next(told)
    assert clock.looks == 0
    next(told)
    assert clock.looks == 4  # two quiet looks, the save, and one more: it is no longer written
    with pytest.raises(TimeoutError):
        next(told)


def test_a_notebook_half_written_is_not_told_before_it_is_whole(notebook: Path) -> None:
    whole = '{"cells": [1, 2]}'
    clock = Clock(
        lambda: notebook.write_text(whole[:5]),
        None,
        lambda: notebook.write_text(whole[:10]),
        None,
        None,
        lambda: notebook.write_text(whole),
    )
    told = saves(notebook, sleep=clock)
    next(told)
    next(told)
    assert notebook.read_text() == whole
    assert not clock.happenings


def test_an_editor_that_replaces_the_file_is_waited_for(notebook: Path) -> None:
    fresh = notebook.with_suffix(".new")
    fresh.write_text("[]")
    clock = Clock(notebook.unlink, None, None, lambda: fresh.replace(notebook))
    told = saves(notebook, sleep=clock)
    next(told)
    next(told)
    assert notebook.read_text() == "[]"


def test_a_notebook_that_stays_damaged_is_told_all_the_same(notebook: Path) -> None:
    clock = Clock(lambda: notebook.write_text("<<<<<<< HEAD"))
    told = saves(notebook, sleep=clock)
    next(told)
    next(told)
    assert clock.looks * LOOK_SECONDS > PATIENCE_SECONDS


def test_a_save_during_a_check_is_told_after_it(notebook: Path) -> None:
    told = saves(notebook, sleep=Clock())
    next(told)
    notebook.write_text('{"saved": "meanwhile"}')
    next(told)
