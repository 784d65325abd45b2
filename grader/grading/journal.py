"""What a batch has finished, line by line: the memory that survives it.

``.grading/journal.jsonl`` beside the reports of an assignment is only ever
appended to, one JSON record a line, each after the files that it speaks of are
on the disk. A line that a killed process left torn is passed over; when most
lines are outdated, the journal is written anew. Whoever writes holds the lock:
a second batch on the same reports is told so (:class:`Busy`). The lock is the
kernel's (``flock``) and goes with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from grader.feedback.class_summary import Shared, StudentSummary
from grader.grading.files import remove_drafts, write_whole

FOLDER = ".grading"
RUNS = "runs"
JOURNAL = "journal.jsonl"
LOCK = "lock"
_SCRATCH = "karnameh-batch-"
_OUTDATED = 3
"""Lines for each one that counts, beyond which the journal is written anew."""


class Busy(RuntimeError):
    """Another batch works on the same reports."""


class Material(msgspec.Struct, frozen=True, kw_only=True, tag="material", tag_field="kind"):
    """Hashes of all that decides the verdicts of an assignment, but for the hand-in.

    Attributes
    ----------
    whole
        Of everything: nothing changed when this is the same.
    run
        Of what decides how a notebook runs and answers: engine, versions, limits, seeds, cage.
    checks
        Of each check function with all that it uses.
    """

    whole: str
    run: str
    checks: dict[str, str]


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished", tag_field="kind"):
    """One hand-in whose report is on the disk.

    Attributes
    ----------
    content
        Hash of the hand-in.
    stamp
        Of the names, sizes and times of its files; empty where they cannot be trusted.
    material
        :attr:`Material.whole` that it was graded with.
    seconds
        What it took.
    decided
        Stamp of the marks and the lateness that are on its card.
    """

    student: str
    content: str
    stamp: str
    material: str
    seconds: float
    has_error: bool
    summary: StudentSummary
    decided: str = ""


class ClassWritten(msgspec.Struct, frozen=True, kw_only=True, tag="class", tag_field="kind"):
    """The class page and the gradebook hold all that stands above this line."""

    material: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Material | Finished | ClassWritten)


class Journal:
    """The journal of one assignment's reports, locked; use it as a context manager.

    Parameters
    ----------
    folder
        Where the assignment's reports are.

    Attributes
    ----------
    finished
        The last record of each student.
    materials
        By their :attr:`~Material.whole`.
    class_written
        Material of the class page, None when it does not hold all that is finished.
    shared
        What the summaries of all students have in common.
    scratch
        Folder for what this batch's processes need, removed when it ends.

    Raises
    ------
    Busy
        If another batch holds the lock.
    """

    def __init__(self, folder: Path) -> None:
        self._home = folder / FOLDER
        self._home.mkdir(parents=True, exist_ok=True)
        self.finished: dict[str, Finished] = {}
        self.materials: dict[str, Material] = {}
        self.class_written: str | None = None
        self.shared = Shared()
        self._lines = 0
        self._lock = self._take_lock(folder)
        try:
            self._read()
            self._file: IO[bytes] = self._opened()
        except BaseException:
            self._lock.close()
            raise

    def _take_lock(self, folder: Path) -> IO[str]:
        import fcntl  # not on Windows, where nothing is graded

        lock = (self._home / LOCK).open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().partition("\n")[0] or "another process"
            lock.close()
            raise Busy(
                f"{folder}: {holder} is grading into this folder. "
                "Wait for it, or give another one with --reports."
            ) from error
        lock.seek(0)
        stale = Path(lock.read().partition("\n")[2].strip())
        if stale.name.startswith(_SCRATCH):  # its batch was killed
            shutil.rmtree(stale, ignore_errors=True)
        self.scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH))
        lock.seek(0)
        lock.truncate()
        lock.write(f"process {os.getpid()} on {socket.gethostname()}\n{self.scratch}\n")
        lock.flush()
        return lock

    def _read(self) -> None:
        path = self._home / JOURNAL
        if not path.is_file():
            return
        for line in path.read_bytes().splitlines():
            self._lines += 1
            # Torn, of another version, or no text at all.
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._note(_decoder.decode(line))

    def _note(self, record: Material | Finished | ClassWritten) -> None:
        if isinstance(record, Finished):
            summary = self.shared.of(record.summary)
            self.finished[record.student] = msgspec.structs.replace(record, summary=summary)
            self.class_written = None
        elif isinstance(record, Material):
            self.materials[record.whole] = record
        else:
            self.class_written = record.material

    def _opened(self) -> IO[bytes]:
        path = self._home / JOURNAL
        used = {record.material for record in self.finished.values()}
        self.materials = {k: m for k, m in self.materials.items() if k in used}
        records = [*self.materials.values(), *self.finished.values()]
        if self._lines > _OUTDATED * (len(records) + 10):
            write_whole(path, b"".join(_encoder.encode(r) + b"\n" for r in records), durable=True)
            self.class_written = None
        file = path.open("ab+")
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # the end of a torn line
                file.write(b"\n")
                file.flush()
        return file

    def keep(self, student: str, data: bytes | None) -> None:
        """Keep what a changed check may be judged from; only this user can read it."""
        runs = self._home / RUNS
        runs.mkdir(mode=0o700, exist_ok=True)
        if data is None:
            (runs / student).unlink(missing_ok=True)
        else:
            remove_drafts(runs / student)
            write_whole(runs / student, data)

    def kept(self, student: str) -> bytes | None:
        """Return what was kept of a student's run."""
        try:
            return (self._home / RUNS / student).read_bytes()
        except FileNotFoundError:
            return None

    def append(self, record: Material | Finished | ClassWritten) -> None:
        """Add a record; once this returns, it outlives this process."""
        self._note(record)
        self._file.write(_encoder.encode(record) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Let another batch work here."""
        self._file.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        self.close()


def past_seconds(journal: Journal) -> dict[str, float]:
    """What each hand-in took when it was last graded."""
    return {student: record.seconds for student, record in journal.finished.items()}
