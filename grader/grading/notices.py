"""What a student should know about the reading and running of their notebook, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from grader.course.assignment import Limits
from grader.course.messages import say
from grader.kernel.run import CellRun, Run
from grader.notebook import Finding, describe
from grader.report import Notice, Text


def of_findings(findings: Iterable[Finding]) -> list[Notice]:
    """Word what the reader noticed about the file."""
    return [Notice(id=f.id, text=describe(f), cell=f.cell) for f in findings]


def of_run(run: Run, limits: Limits) -> list[Notice]:
    """Word what happened while the notebook ran."""
    notices = [notice for cell in run.cells for notice in _of_cell(cell, limits)]
    recorded = [cell.index for cell in run.cells if cell.status == "recorded"]
    if recorded:
        text = say("not-executed-recorded", cells=recorded)
        notices.append(Notice(id="not-executed-recorded", text=text))
    return notices


def _of_cell(cell: CellRun, limits: Limits) -> Iterator[Notice]:
    def notice(key: str, text: Text) -> Notice:
        return Notice(id=key, text=text, cell=cell.index)

    if cell.truncated:
        yield notice(
            "output-truncated",
            say("output-truncated", cell=cell.index, limit_kb=limits.output_kb),
        )
    if cell.status == "error" and cell.error is not None:
        kind, _, message = cell.error.partition(": ")
        if kind == "StdinNotImplementedError":
            yield notice("input-refused", say("input-refused", cell=cell.index))
        else:
            yield notice(
                "cell-error", say("cell-error", cell=cell.index, type=kind, message=message)
            )
    elif cell.status == "skipped":
        yield notice("cell-skipped", say("cell-not-run", cell=cell.index))
    elif cell.status in ("timeout", "died"):
        yield notice(*_of_lost_cell(cell, limits))
        yield notice("replayed", say("replayed", cell=cell.index))


def _of_lost_cell(cell: CellRun, limits: Limits) -> tuple[str, Text]:
    index = cell.index
    if cell.reason == "cell-timeout":
        return "cell-timeout", say("cell-timeout", cell=index, seconds=limits.cell_seconds)
    if cell.reason == "submission-timeout":
        seconds = limits.submission_seconds
        return "submission-timeout", say("submission-timeout", cell=index, seconds=seconds)
    if cell.reason == "memory":
        return "memory", say("memory", cell=index, limit_mb=limits.memory_mb)
    if cell.reason == "flood":
        return "output-flood", say("output-flood", cell=index)
    if cell.reason == "signal" and cell.detail is not None:
        return "cell-killed", say("cell-killed", cell=index, signal=cell.detail)
    if cell.reason == "exit" and cell.detail is not None:
        return "cell-exited", say("cell-exited", cell=index, code=cell.detail)
    return "cell-died", say("cell-died", cell=index)
