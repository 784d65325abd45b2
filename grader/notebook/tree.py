"""The files of one hand-in, from a folder or a zip, listed and read within bounds.

Nothing that a student packed decides where we read or write: links are not
followed, names that leave the hand-in are refused, and every byte that comes
out of an archive is counted, whatever its directory claims.
"""

from __future__ import annotations

import lzma
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

import msgspec

from grader.notebook.findings import Finding, Unreadable

MEBIBYTE = 1024 * 1024
_MAX_DEPTH = 16
_MAX_NAME_BYTES = 255
_MAX_DIRECTORY_BYTES = 4 * MEBIBYTE
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_REGULAR = {0, stat.S_IFREG}
"""File types of ordinary members; archivers other than those of Unix leave them out."""
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
_BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    MemoryError,  # as much as the member's header asked for
    struct.error,
    NotImplementedError,  # a compression that this Python does not know
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)


class Bounds(msgspec.Struct, frozen=True):
    """How much of a hand-in is read. Sizes in bytes."""

    files: int = 2000
    file_bytes: int = 64 * MEBIBYTE
    total_bytes: int = 256 * MEBIBYTE
    archive_bytes: int = 512 * MEBIBYTE
    ratio: int = 200
    """Largest factor by which a member of a zip may grow; text seldom exceeds 20."""


class Tree(Protocol):
    """Files by their path inside the hand-in, with ``/`` between folders, in sorted order."""

    names: tuple[str, ...]
    findings: tuple[Finding, ...]

    def size(self, name: str) -> int:
        """Return the size of one file in bytes, as its folder or archive has it."""

    def read(self, name: str, limit: int) -> bytes | None:
        """Return the content of one file, None if it is larger than `limit` or cannot be read."""

    def close(self) -> None:
        """Let go of the files."""


class FolderTree:
    """The files of a folder."""

    def __init__(self, root: Path, bounds: Bounds) -> None:
        self._root = root
        self._listing = listing = _Listing(bounds)
        for path, refused in self._walk(root, "", 1):
            if refused:
                listing.refuse(refused, path)
            elif not listing.add(path):
                break
        self.findings = listing.findings()
        self.names = tuple(sorted(listing.paths))

    def _walk(self, folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, str | None]]:
        """Yield every file below `folder`, and why it is refused where it is."""
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError:
            yield prefix.rstrip("/") or folder.name, "files-left-out"
            return
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if is_ignored(path):
                continue
            if not is_safe(path):
                yield path, "names-refused"
            elif entry.is_dir(follow_symlinks=False):
                if depth < _MAX_DEPTH:
                    yield from self._walk(Path(entry.path), f"{path}/", depth + 1)
                else:
                    yield path, "names-refused"
            else:
                regular = entry.is_file(follow_symlinks=False)
                yield path, None if regular else "links-skipped"

    def size(self, name: str) -> int:
        try:
            return (self._root / self._listing.paths[name]).lstat().st_size
        except OSError:
            return 0

    def read(self, name: str, limit: int) -> bytes | None:
        path = self._root / self._listing.paths[name]
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    return None
                data = file.read(limit + 1)
        except OSError:
            return None
        return data if len(data) <= limit else None

    def close(self) -> None:
        """Do nothing: no file is held open."""


class ZipTree:
    """The files of a zip archive.

    Raises
    ------
    Unreadable
        If the archive is broken or its directory is larger than any class needs.
    """

    def __init__(self, file: IO[bytes], name: str, bounds: Bounds) -> None:
        self._file = file
        guarded = _GuardedFile(file)
        try:
            self._zip = zipfile.ZipFile(guarded)
        except _BROKEN_ARCHIVE as error:
            file.close()
            raise Unreadable(Finding("archive-broken", {"name": name})) from error
        guarded.limit = None

        self._members: dict[str, zipfile.ZipInfo] = {}
        self._listing = listing = _Listing(bounds)
        for member in self._zip.infolist():
            path = _member_name(member)
            if path.endswith("/") or is_ignored(path):  # not `is_dir`: there may be no name at all
                continue
            if member.flag_bits & _ENCRYPTED:
                listing.refuse("files-encrypted", path)
            elif stat.S_IFMT(member.external_attr >> 16) not in _REGULAR:
                listing.refuse("links-skipped", path)
            elif not is_safe(path):
                listing.refuse("names-refused", path)
            elif _grows_too_much(member, bounds):
                listing.refuse("files-left-out", path)
            elif not listing.add(path):
                break
            else:
                self._members[path] = member  # the last of a name wins, as when it is unpacked
        self.findings = listing.findings()
        self.names = tuple(sorted(listing.paths))

    def size(self, name: str) -> int:
        return self._members[self._listing.paths[name]].file_size

    def read(self, name: str, limit: int) -> bytes | None:
        try:
            with self._zip.open(self._members[self._listing.paths[name]]) as file:
                data = file.read(limit + 1)
        except _BROKEN_ARCHIVE:
            return None
        return data if len(data) <= limit else None

    def close(self) -> None:
        self._zip.close()
        self._file.close()


class _GuardedFile:
    """A file that refuses to be read in too large pieces.

    ``zipfile`` reads the directory of an archive at once, and makes an object of every entry: a
    few megabytes of entries without content would fill the memory.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.limit: int | None = _MAX_DIRECTORY_BYTES
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable
        self.close = file.close

    def read(self, size: int = -1) -> bytes:
        if self.limit is not None and size > self.limit:
            raise zipfile.BadZipFile("its directory is too large")
        return self._file.read(size)


class _Listing:
    """The files that were accepted so far, and those that were not, by the reason."""

    def __init__(self, bounds: Bounds) -> None:
        self._limit = bounds.files
        self.paths: dict[str, str] = {}
        """Path as it is stored, by name: the same letters, composed as NFC."""
        self._spellings: dict[str, str] = {}
        self._refused: dict[str, set[str]] = {}
        self._full = False

    def add(self, path: str) -> bool:
        """Accept a file; False when there are so many that the rest is not looked at."""
        name = unicodedata.normalize("NFC", path)
        if name in self.paths:
            self.refuse("names-twice", name)
        elif len(self.paths) >= self._limit:
            self._full = True
            return False
        if self._spellings.setdefault(name.casefold(), name) != name:
            self.refuse("names-clash", name)
        self.paths[name] = path
        return True

    def refuse(self, why: str, name: str) -> None:
        self._refused.setdefault(why, set()).add(name)

    def findings(self) -> tuple[Finding, ...]:
        """Return what was refused, after dropping files that another file is in the way of."""
        for name in [n for n in self.paths if self._is_below_a_file(n)]:
            self.refuse("names-refused", name)
            del self.paths[name]
        found = [Finding(why, {"names": sorted(names)}) for why, names in self._refused.items()]
        if self._full:
            found.append(Finding("too-many-files", {"limit": self._limit}))
        return tuple(found)

    def _is_below_a_file(self, name: str) -> bool:
        parts = name.split("/")
        return any("/".join(parts[:i]) in self.paths for i in range(1, len(parts)))


def is_ignored(path: str) -> bool:
    """Return whether `path` is something that programs leave behind, not what a student wrote."""
    return any(
        (part.startswith(".") and part not in {".", ".."})
        or part in {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}
        for part in path.split("/")
    )


def is_safe(path: str) -> bool:
    """Return whether `path` stays inside the folder it is unpacked into, on any system."""
    parts = unicodedata.normalize("NFC", path).split("/")  # some letters take more bytes composed
    return (
        len(parts) <= _MAX_DEPTH
        and path[1:2] != ":"
        and all(
            part not in {"", ".", ".."}
            and not any(unicodedata.category(c) in _UNPRINTABLE for c in part)
            and len(part.encode()) <= _MAX_NAME_BYTES
            for part in parts
        )
    )


def _grows_too_much(member: zipfile.ZipInfo, bounds: Bounds) -> bool:
    small = member.file_size <= MEBIBYTE
    return not small and member.file_size > bounds.ratio * max(member.compress_size, 1)


def _member_name(member: zipfile.ZipInfo) -> str:
    """Return a member's path, its letters right where the archiver did not declare UTF-8."""
    name = member.orig_filename
    if not member.flag_bits & _UTF8_NAME and not name.isascii():
        raw = name.encode("cp437", "replace")
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            name = raw.decode("cp1256")  # Persian Windows
    return name.replace("\\", "/")
