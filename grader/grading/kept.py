"""What is kept of a graded hand-in, so that a changed check can be judged without running it again.

One file a student, ``.grading/runs/STUDENT``: how the cells ended and what they put out, what the
checks asked and what was answered, and what each came to. It may hold what a hidden check was
answered and what a student should not have written into a notebook: only its owner can read it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from copy import deepcopy

import msgspec
from nbformat import NotebookNode, from_dict

from grader.checks.scoring import Judged
from grader.course.assignment import Limits
from grader.kernel.run import CellRun, Run
from grader.kernel.transcript import KeptRun

LARGEST = 32 << 20
"""What takes more bytes is not kept: its notebook runs again."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A run with all that was asked of it, and the verdicts."""

    cells: list[CellRun]
    outputs: dict[int, msgspec.Raw]
    layers: list[str]
    seconds: float
    answers: dict[bytes, bytes]
    judged: list[Judged]

    def run(self, submitted: NotebookNode, limits: Limits) -> KeptRun:
        """Return the run of the notebook that was handed in."""
        notebook = deepcopy(submitted)
        for index, outputs in self.outputs.items():
            found = msgspec.msgpack.decode(outputs)
            notebook.cells[index].outputs = [from_dict(output) for output in found]
        return KeptRun(notebook, limits, self.cells, self.layers, self.seconds, self.answers)


_decoder = msgspec.msgpack.Decoder(Kept)


def keep(run: Run, answers: Mapping[bytes, bytes], judged: Sequence[Judged]) -> bytes | None:
    """Return what to keep, None if it is too large."""
    if sum(map(len, answers.values())) > LARGEST:
        return None
    outputs = {
        index: msgspec.Raw(msgspec.msgpack.encode(cell.outputs))
        for index, cell in enumerate(run.notebook.cells)
        if cell.cell_type == "code"
    }
    kept = Kept(
        cells=run.cells,
        outputs=outputs,
        layers=run.layers,
        seconds=run.seconds,
        answers=dict(answers),
        judged=list(judged),
    )
    data = zlib.compress(msgspec.msgpack.encode(kept), 1)
    return data if len(data) <= LARGEST else None


def again(data: bytes, judged: Sequence[Judged]) -> bytes:
    """Return what was kept, with other verdicts."""
    kept = msgspec.structs.replace(unpacked(data), judged=list(judged))
    return zlib.compress(msgspec.msgpack.encode(kept), 1)


def unpacked(data: bytes) -> Kept:
    """Read what :func:`keep` made.

    Raises
    ------
    zlib.error, msgspec.DecodeError
        If `data` is something else.
    """
    return _decoder.decode(zlib.decompress(data))
