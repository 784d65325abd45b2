"""The check pack: what students need to check their own work, and nothing that gives it away.

One file: the public checks with the sentences about them, what the reference answered them, and
of the hidden checks their titles and points. It is read as data; the checks in it are Python, as
trustworthy as whoever sent it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from grader import __version__
from grader.checks.declared import Check
from grader.checks.hashed import Hashed
from grader.checks.plugin import Terms
from grader.checks.replay import Recorded, Replay
from grader.checks.session import StandIn
from grader.course.assignment import Assignment, Limits, Question, SelfChecking
from grader.course.course import Course
from grader.course.dates import Calendar
from grader.course.feedback import Feedback
from grader.course.policy import NoPenalty
from grader.course.texts import Text
from grader.grading.submission import RELEASED
from grader.kernel.starting import lay_files

SUFFIX: Final = ".pack"
_MAGIC: Final = b"karnameh check pack 1\n"
_MAX_BYTES: Final = 256 << 20


class BadPack(ValueError):
    """A file is no check pack that this version reads; the message says which and what to do."""


class PackedCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One check as students know it.

    Attributes
    ----------
    id, function
        Of a hidden check a number: its parameters could tell its inputs.
    weight
        Points.
    mode
        How it is checked here.
    """

    id: str
    function: str
    question: str
    part: str
    weight: Decimal
    hidden: bool
    mode: SelfChecking


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the file.

    Attributes
    ----------
    files
        The checks, and what they read, by file name.
    data
        The data files of the assignment, by relative path.
    hashes
        Of what each expectation of a check expects, by the check's id.
    """

    version: str
    slug: str
    title: Text
    due: datetime
    course: Text
    languages: tuple[str, ...]
    calendar: Calendar
    time_zone: str
    limits: Limits
    aliases: dict[str, tuple[str, ...]]
    questions: tuple[Question, ...]
    texts: Feedback
    checks: tuple[PackedCheck, ...]
    files: dict[str, str]
    reference: Recorded
    hashes: dict[str, list[Hashed | None]] = {}
    data: dict[str, bytes] = {}

    def stand_in(self) -> StandIn:
        """Return what takes the place of the reference."""
        replay = Replay(self.reference)
        modes = {check.id: check.mode for check in self.checks}

        def begin(check: str, _function: str) -> Terms:
            mode = modes.get(check, "replay")
            replay.concealing = mode in ("format", "hash")
            return Terms(hashes=self.hashes.get(check, []) if mode == "hash" else None)

        checks = [
            Check(
                id=check.id,
                function=check.function,
                question=check.question,
                part=check.part,
                weight=check.weight,
                hidden=check.hidden,
            )
            for check in self.checks
        ]
        return StandIn(replay, begin, checks)


def pack_bytes(pack: Pack) -> bytes:
    """Return the file; the same bytes for the same pack."""
    return _MAGIC + zlib.compress(msgspec.msgpack.encode(pack, order="deterministic"), 9)


def decoded(data: bytes) -> dict[str, Any]:
    """Return what is written in a pack as plain data: what whoever takes it apart can read.

    Its answers of the reference are not in it, which are there on purpose, nor its data files,
    which lie beside it.
    """
    bare = msgspec.structs.replace(
        _read(data, "the pack"), reference=Recorded(), hashes={}, data={}
    )
    plain: dict[str, Any] = msgspec.to_builtins(bare)
    return plain


def read_pack(path: Path) -> Pack:
    """Read a check pack.

    Raises
    ------
    BadPack
        If it is none, or one of another version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadPack(f"{path} cannot be read: {error}") from error
    return _read(data, str(path))


def _read(data: bytes, path: str) -> Pack:
    remedy = "download it again from where the assignment was published"
    if not data.startswith(_MAGIC):
        if data.startswith(_MAGIC[:-2]):
            raise BadPack(
                f"{path} was made by another version of the grader: pip install -U karnameh"
            )
        raise BadPack(f"{path} is no check pack: {remedy}")
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(data[len(_MAGIC) :], _MAX_BYTES)
        if not unpacker.eof:
            raise BadPack(f"{path} is incomplete or too large: {remedy}")
        return msgspec.msgpack.decode(plain, type=Pack)
    except (zlib.error, msgspec.DecodeError) as error:
        raise BadPack(f"{path} is damaged ({error}): {remedy}") from error


@contextmanager
def unpacked(pack: Pack) -> Iterator[tuple[Course, Assignment]]:
    """Lay the checks of `pack` into a folder, for pytest to collect, as long as it is needed."""
    with TemporaryDirectory(prefix="karnameh-pack-", ignore_cleanup_errors=True) as name:
        root = Path(name).resolve()
        # pytest knows a file of checks by its folder's name: another pack is another module.
        digest = hashlib.sha256(pack_bytes(pack)).hexdigest()
        folder = root / f"{pack.slug}_{digest[:16]}"
        folder.mkdir()
        for file, text in pack.files.items():
            (folder / Path(file).name).write_text(text, encoding="utf-8", newline="\n")
        lay_files(folder / RELEASED, {PurePosixPath(n): data for n, data in pack.data.items()})
        yield course_of(pack, root), assignment_of(pack, root, folder)


def course_of(pack: Pack, root: Path) -> Course:
    """Return the course as far as a student knows it."""
    return Course(
        root=root,
        title=pack.course,
        languages=pack.languages,
        calendar=pack.calendar,
        time_zone=ZoneInfo(pack.time_zone),
        assignments=(pack.slug,),
        roster=None,
        late=NoPenalty(),
    )


def assignment_of(pack: Pack, root: Path, folder: Path) -> Assignment:
    """Return the assignment as far as a student knows it: without its rubric."""
    return Assignment(
        slug=pack.slug,
        root=root,
        folder=folder,
        title=pack.title,
        due=pack.due,
        limits=pack.limits,
        aliases=pack.aliases,
        questions=pack.questions,
        rubric={},
        texts=pack.texts,
    )


def new_pack(
    course: Course,
    assignment: Assignment,
    *,
    texts: Feedback,
    checks: Sequence[PackedCheck],
    files: dict[str, str],
    reference: Recorded,
    hashes: dict[str, list[Hashed | None]],
    data: dict[str, bytes],
) -> Pack:
    """Make a pack of what was recorded."""
    return Pack(
        version=__version__,
        slug=assignment.slug,
        title=assignment.title,
        due=assignment.due,
        course=course.title,
        languages=course.languages,
        calendar=course.calendar,
        time_zone=course.time_zone.key,
        limits=assignment.limits,
        aliases=assignment.aliases,
        questions=assignment.questions,
        texts=texts,
        checks=tuple(checks),
        files=files,
        reference=reference,
        hashes=hashes,
        data=data,
    )
