"""What is kept of a graded hand-in, so that a changed check can be judged without running it again.

One file a student, ``.grading/runs/STUDENT``: how the cells ended and what they put out, what the
checks asked and what was answered, and what each came to. It may hold what a hidden check was
answered and what a student should not have written into a notebook: only its owner can read it.
"""

from __future__ import annotations

import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import msgspec
from msgspec.msgpack import Ext
from nbformat import NotebookNode, from_dict

from grader.checks.scoring import Judged
from grader.course.assignment import Limits
from grader.kernel.run import CellRun, Run
from grader.kernel.transcript import KeptRun

LARGEST = 32 << 20
"""What takes more bytes is not kept: its notebook runs again."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A run with all that was asked of it, and the verdicts."""

    cells: list[CellRun]
    outputs: dict[int, list[dict[str, Any]]]
    layers: list[str]
    seconds: float
    answers: dict[bytes, bytes]
    judged: list[Judged]

    def run(self, submitted: NotebookNode, limits: Limits) -> KeptRun:
        """Return the run of the notebook that was handed in."""
        notebook = deepcopy(submitted)
        for index, outputs in self.outputs.items():
            notebook.cells[index].outputs = [from_dict(output) for output in outputs]
        return KeptRun(notebook, limits, self.cells, self.layers, self.seconds, self.answers)


class _Run(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A run in a file: its pictures are apart, by number."""

    cells: list[CellRun]
    outputs: dict[int, list[dict[str, Any]]]
    layers: list[str]
    seconds: float
    answers: dict[bytes, bytes]


class _File(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is written: verdicts can be replaced without a look at the rest; pictures are small already."""

    run: bytes
    judged: bytes
    pictures: list[bytes]


_PICTURE = 1
_file = msgspec.msgpack.Decoder(_File)
_run = msgspec.msgpack.Decoder(_Run)
_verdicts = msgspec.msgpack.Decoder(list[Judged])


def keep(run: Run, answers: Mapping[bytes, bytes], judged: Sequence[Judged]) -> bytes | None:
    """Return what to keep, None if it is too large."""
    if sum(map(len, answers.values())) > LARGEST:
        return None
    outputs = {
        index: [dict(output) for output in cell.outputs]
        for index, cell in enumerate(run.notebook.cells)
        if cell.cell_type == "code"
    }
    pictures: list[bytes] = []
    for bundle, mime in _pictures(outputs):
        if (picture := _bytes_of(bundle[mime])) is not None:
            bundle[mime] = Ext(_PICTURE, len(pictures).to_bytes(4))
            pictures.append(picture)
    kept = _Run(
        cells=run.cells,
        outputs=outputs,
        layers=run.layers,
        seconds=run.seconds,
        answers=dict(answers),
    )
    data = msgspec.msgpack.encode(
        _File(run=_compressed(kept), judged=_compressed(list(judged)), pictures=pictures)
    )
    return data if len(data) <= LARGEST else None


def again(data: bytes, judged: Sequence[Judged]) -> bytes:
    """Return what was kept, with other verdicts."""
    file = msgspec.structs.replace(_file.decode(data), judged=_compressed(list(judged)))
    return msgspec.msgpack.encode(file)


def unpacked(data: bytes) -> Kept:
    """Read what :func:`keep` made.

    Raises
    ------
    zlib.error, msgspec.DecodeError
        If `data` is something else.
    """
    file = _file.decode(data)
    run = _run.decode(zlib.decompress(file.run))
    for bundle, mime in _pictures(run.outputs):
        if isinstance(bundle[mime], Ext):
            bundle[mime] = _text_of(file.pictures[int.from_bytes(bundle[mime].data)])
    judged = _verdicts.decode(zlib.decompress(file.judged))
    return Kept(judged=judged, **msgspec.structs.asdict(run))


def _compressed(value: Any) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(value), 1)


def _bytes_of(picture: object) -> bytes | None:
    """Bytes of a picture; None where it is no base64 text or would not be the same again."""
    try:
        found = a2b_base64(picture) if isinstance(picture, str) else None
    except ValueError:
        return None
    return None if found is None or _text_of(found) != picture else found


def _text_of(picture: bytes) -> str:
    return b2a_base64(picture, newline=False).decode()


def _pictures(
    outputs: Mapping[int, list[dict[str, Any]]],
) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the bundle of every picture, with its type."""
    for output in (output for outputs_ in outputs.values() for output in outputs_):
        if isinstance(output.get("data"), dict):
            output["data"] = dict(output["data"])
            for mime in ("image/png", "image/jpeg"):
                if mime in output["data"]:
                    yield output["data"], mime
