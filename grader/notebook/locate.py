"""Finding the notebook to grade in a hand-in.

A hand-in is a folder with one or more files, a notebook, or a zip of either.
Its notebook is the only one, or the one named like the assignment; otherwise
one is taken by a fixed rule, and a finding says which there were.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from grader.notebook.findings import Finding, Unreadable
from grader.notebook.naming import NOTHING_ALIKE, likeness, storable, without_copy_marks
from grader.notebook.read import MAX_BYTES, not_opened
from grader.notebook.tree import Bounds, FolderTree, Tree, ZipTree

_NOTEBOOK = ".ipynb"
_ZIP = ".zip"
ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zipx")


class DataFile(msgspec.Struct, frozen=True):
    """A file beside the notebook. ``name`` is relative to the notebook, ``/`` between folders."""

    name: str
    data: bytes


class Found(msgspec.Struct, frozen=True):
    """The notebook of a hand-in and what came with it.

    Attributes
    ----------
    notebook
        Content of the notebook, as it was handed in.
    name
        Its path inside the hand-in.
    files
        The other files, by their place relative to the notebook.
    findings
        What was left out, and which of several notebooks was taken.
    """

    notebook: bytes
    name: str
    files: tuple[DataFile, ...]
    findings: tuple[Finding, ...]

    def put_files(self, folder: Path) -> None:
        """Write the files beside the notebook into `folder`, which must be empty.

        Raises
        ------
        OSError
            If one of them cannot be written.
        """
        for file in self.files:
            target = folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as opened:
                opened.write(file.data)


def find_notebook(path: Path, slug: str, *, bounds: Bounds | None = None) -> Found:
    """Find the notebook to grade in a folder, a notebook file or a zip.

    Raises
    ------
    Unreadable
        If there is none, or the archive cannot be opened; its findings say what there was.
    """
    bounds = bounds or Bounds()
    if path.is_dir():
        return _find_in_folder(path, slug, bounds)
    if not path.is_file():
        raise Unreadable(Finding("no-file", {"name": path.name}))
    if path.suffix.lower() in ARCHIVES:
        raise Unreadable(Finding("archive-unsupported", {"name": path.name}))
    if path.suffix.lower() == _ZIP:
        if path.stat().st_size > bounds.archive_bytes:
            raise Unreadable(_archive_too_large(path.name, bounds))
        try:
            file = path.open("rb")
        except OSError as error:
            raise not_opened(path, error) from error
        return _find_in_tree(ZipTree(file, path.name, bounds), slug, bounds)
    return _single_file(path)


def _single_file(path: Path) -> Found:
    """Return a file as it is, also one that is no notebook: the reader says what it is instead."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # one too many lets the reader say that it is too large
    except OSError as error:
        raise not_opened(path, error) from error
    return Found(notebook=data, name=storable(path.name), files=(), findings=())


def _find_in_folder(path: Path, slug: str, bounds: Bounds) -> Found:
    tree = FolderTree(path, bounds)
    archives = _with_suffix(tree.names, _ZIP)
    if _with_suffix(tree.names, _NOTEBOOK) or not archives:
        return _find_in_tree(tree, slug, bounds)
    chosen = min(archives, key=lambda name: _preference(name, slug))
    data = tree.read(chosen, bounds.archive_bytes)
    if data is None:
        raise Unreadable(*tree.findings, _archive_too_large(chosen, bounds))
    packed = _find_in_tree(ZipTree(io.BytesIO(data), chosen, bounds), slug, bounds)
    findings = [*tree.findings, *packed.findings]
    if len(archives) > 1:
        findings.append(Finding("several-archives", {"names": archives, "taken": chosen}))
    others, left_out = _read_files(tree, [n for n in tree.names if n not in archives], bounds)
    return Found(
        notebook=packed.notebook,
        name=f"{chosen}/{packed.name}",
        files=tuple(_merged(packed.files, others)),
        findings=(*findings, *left_out),
    )


def _find_in_tree(tree: Tree, slug: str, bounds: Bounds) -> Found:
    try:
        notebooks = _with_suffix(tree.names, _NOTEBOOK)
        if not notebooks:
            raise Unreadable(*tree.findings, _nothing_found(tree))
        taken, findings = _choose(notebooks, slug)
        data = tree.read(taken, MAX_BYTES)
        if data is None:
            raise Unreadable(*tree.findings, Finding("notebook-not-unpacked", {"name": taken}))
        others = [name for name in tree.names if name != taken]
        files, left_out = _read_files(tree, others, bounds)
    finally:
        tree.close()
    home = str(PurePosixPath(taken).parent)
    return Found(
        notebook=data,
        name=taken,
        files=tuple(_relative_to_notebook(files, home)),
        findings=(*tree.findings, *findings, *left_out),
    )


def _choose(notebooks: Sequence[str], slug: str) -> tuple[str, list[Finding]]:
    """Return the notebook to grade, and a finding unless there was only one that could be meant."""
    ranked = sorted(notebooks, key=lambda name: _preference(name, slug))
    taken = ranked[0]
    rank = likeness(PurePosixPath(taken).stem, slug)
    equals = [n for n in ranked if likeness(PurePosixPath(n).stem, slug) == rank]
    if len(notebooks) == 1 or (rank < NOTHING_ALIKE and len(equals) == 1):
        return taken, []
    return taken, [Finding("several-notebooks", {"names": sorted(notebooks), "taken": taken})]


def _preference(name: str, slug: str) -> tuple[int, bool, int, int, int, str]:
    """Order notebooks: most like the assignment, no checkpoint, no copy, least deep, shortest."""
    path = PurePosixPath(name)
    stem, copies = without_copy_marks(path.stem)
    checkpoint = stem.endswith("-checkpoint")
    return likeness(path.stem, slug), checkpoint, copies, len(path.parts), len(stem), name


def _read_files(
    tree: Tree, names: Sequence[str], bounds: Bounds
) -> tuple[list[DataFile], list[Finding]]:
    """Return the files that fit into the bounds, and which were left out."""
    files: list[DataFile] = []
    left_out: list[str] = []
    room = bounds.total_bytes
    for name in names:
        size = tree.size(name)
        if size > min(bounds.file_bytes, room):
            left_out.append(name)
            continue
        room -= size  # also when it turns out to be broken: unpacking it took its time
        data = tree.read(name, size)
        if data is None:
            left_out.append(name)
        else:
            files.append(DataFile(name, data))
    return files, [Finding("files-left-out", {"names": left_out})] if left_out else []


def _relative_to_notebook(files: Sequence[DataFile], home: str) -> list[DataFile]:
    """Return `files` placed as the notebook sees them, from the folder in which it runs.

    What lies in the notebook's folder keeps its place. What lies elsewhere is placed by its path
    from where the two part: beside ``work/code/lenet.ipynb``, ``work/data/x.csv`` becomes ``data/x.csv``.
    """
    if home == ".":
        return list(files)
    at = PurePosixPath(home).parts
    near: list[DataFile] = []
    far: list[DataFile] = []
    for file in files:
        parts = PurePosixPath(file.name).parts
        shared = 0
        while shared < len(at) and parts[shared] == at[shared]:
            shared += 1
        moved = DataFile("/".join(parts[shared:]), file.data)
        (near if shared == len(at) else far).append(moved)
    return _merged(near, far)


def _merged(first: Sequence[DataFile], second: Sequence[DataFile]) -> list[DataFile]:
    """Return both, without those of `second` whose place is taken, by a file or by a folder."""
    merged = list(first)
    files = {file.name for file in first}
    folders = {folder for name in files for folder in _folders(name)}
    for file in second:
        above = _folders(file.name)
        if file.name not in files | folders and not above & files:
            merged.append(file)
            files.add(file.name)
            folders |= above
    return merged


def _folders(name: str) -> set[str]:
    return {str(folder) for folder in PurePosixPath(name).parents} - {"."}


def _nothing_found(tree: Tree) -> Finding:
    """Return why a hand-in has no notebook."""
    if any(finding.id == "files-encrypted" for finding in tree.findings):
        return Finding("archive-encrypted")
    archives = _with_suffix(tree.names, _ZIP, *ARCHIVES)
    if archives:
        zipped = archives[0].lower().endswith(_ZIP)
        return Finding("archive-nested" if zipped else "archive-unsupported", {"name": archives[0]})
    if not tree.names:
        return Finding("empty-hand-in")
    return Finding("no-notebook", {"names": list(tree.names)})


def _archive_too_large(name: str, bounds: Bounds) -> Finding:
    return Finding("archive-too-large", {"name": name, "limit": bounds.archive_bytes / 2**20})


def _with_suffix(names: Sequence[str], *suffixes: str) -> list[str]:
    return [name for name in names if name.lower().endswith(suffixes)]
