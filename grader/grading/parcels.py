"""What travels to a machine that has neither the course nor the hand-ins, named by its content."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from grader.course.assignment import Assignment
from grader.course.course import FILE, Course
from grader.grading.material import sources_of


class Parcel(msgspec.Struct, frozen=True):
    """Files in a tar archive, and the hash of it."""

    hash: str
    data: bytes

    def unpack(self, folder: Path) -> None:
        """Lay out the files in `folder`."""
        with tarfile.open(fileobj=io.BytesIO(self.data)) as archive:
            archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # 3.11.4
            archive.extractall(folder)  # noqa: S202 - packed here


def of_course(course: Course, assignment: Assignment) -> Parcel:
    """Pack what grading one assignment needs: its folder, its reference, what these import.

    The roster stays here: its place is taken by an empty file.
    """
    root = assignment.root
    entries = [(path, str(path.relative_to(root))) for path in sources_of(assignment)]
    empty = [f"assignments/{slug}/" for slug in course.assignments]
    if course.roster is not None:
        empty.append(str(course.roster.relative_to(root)))
    return _packed([(root / FILE, FILE), *entries], empty)


def of_hand_in(path: Path) -> Parcel:
    """Pack a hand-in: a file, or a folder with all that is in it."""
    below = sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else []
    return _packed([(each, str(each.relative_to(path.parent))) for each in (path, *below)], [])


def _packed(entries: Iterable[tuple[Path, str]], empty: Iterable[str]) -> Parcel:
    """Pack files and folders; pipes and devices stay behind, nobody would read them."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path, name in entries:
            info = archive.gettarinfo(path, name)
            if info.isreg():
                with path.open("rb") as opened:
                    archive.addfile(_plain(info), opened)
            elif info.isdir() or info.issym():
                archive.addfile(_plain(info))
        for name in empty:
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.mode = 0o755 if info.isdir() else 0o644
            archive.addfile(info)
    data = file.getvalue()
    return Parcel(hashlib.sha256(data).hexdigest(), data)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out whose files they are and of when: equal content is to have one name."""
    info.uid = info.gid = 0
    info.mtime = 0
    info.uname = info.gname = ""
    info.mode |= 0o600
    if info.islnk():  # a second name for a file that is packed already
        info.type = tarfile.REGTYPE
    return info


_unpacked: dict[str, tempfile.TemporaryDirectory[str]] = {}


def unpacked_once(parcel: Parcel) -> Path:
    """Return a folder of this process with the files of `parcel`, laid out by the first call."""
    if parcel.hash not in _unpacked:
        folder = tempfile.TemporaryDirectory(prefix="karnameh-course-")
        parcel.unpack(Path(folder.name))
        _unpacked[parcel.hash] = folder
    return Path(_unpacked[parcel.hash].name)
