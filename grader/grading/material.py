"""Hashes of what decides a verdict besides the hand-in: what has not changed need not be judged again.

Each check is hashed with all that it uses: its own code, the functions, constants and fixtures
of its file that it names, and theirs in turn; the names of the reference that it asks for, and
theirs; its texts. What cannot be followed is taken as a whole: a local module that is imported,
a reference that is handed on. Formatting and comments do not count, everything else does.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.grading.journal import Material
from grader.grading.records import TEMPLATES, Settings

_ENGINE = Path(__file__).resolve().parents[1]
_NOT_JUDGING = ("cli",)
"""Folders of the engine in which no verdict and no card is made."""


def material_of(course: Course, assignment: Assignment, settings: Settings) -> Material:
    """Hash all that decides the verdicts of `assignment`."""
    run = _hash(
        [
            engine_hash(),
            environment_hash(),
            settings.kernel,
            str(settings.caged),
            msgspec.json.encode(assignment.limits).decode(),
        ]
    )
    sources = sources_of(assignment)
    whole = [run, *(f"{path.relative_to(assignment.root)}\0{_hash_file(path)}" for path in sources)]
    whole.append(settings.slug)
    whole.append(_hash_file(course.root / "course.toml"))
    whole += [
        f"{path.relative_to(course.root)}\0{_hash_file(path)}"
        for path in sorted((course.root / TEMPLATES).rglob("*"))
        if path.is_file()
    ]
    return Material(whole=_hash(whole), run=run, checks=checks_of(assignment, run))


@cache
def engine_hash() -> str:
    """Hash the engine itself."""
    files = (
        path
        for path in sorted(_ENGINE.rglob("*"))
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.relative_to(_ENGINE).parts[0] not in _NOT_JUDGING
    )
    return _hash(f"{path.relative_to(_ENGINE)}\0{_hash_file(path)}" for path in files)


@cache
def environment_hash() -> str:
    """Hash the versions of Python and of all that is installed beside the engine."""
    folders = {Path(entry) for entry in sys.path if entry.endswith("-packages")}
    installed = sorted(
        path.name for folder in folders if folder.is_dir() for path in folder.glob("*.dist-info")
    )
    return _hash([sys.version, sys.platform, *installed])


def sources_of(assignment: Assignment) -> list[Path]:
    """Return the files of the assignment, its reference, and the local modules that these import."""
    root = assignment.root
    found = [
        path
        for path in sorted(assignment.folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    ]
    found += sorted((root / "reference").glob(f"{assignment.slug}.*"))
    seen = dict.fromkeys(found)
    waiting = [path for path in found if path.suffix == ".py"]
    while waiting:
        path = waiting.pop()
        for module in _local_imports(ast.walk(_parsed(path)), root, path.parent):
            if module not in seen:
                seen[module] = None
                waiting.append(module)
    return list(seen)


def checks_of(assignment: Assignment, run: str) -> dict[str, str]:
    """Hash each check function of `assignment` with all that it uses."""
    texts = assignment.texts
    rest = [
        f"{path.name}\0{_hash_file(path)}"
        for path in sources_of(assignment)
        if path.suffix not in (".py", ".toml") and path.parent == assignment.folder
    ]
    common = _hash([run, msgspec.json.encode(dict(assignment.aliases)).decode(), *rest])
    shared_texts = _hash(
        repr(getattr(texts, name)) for name in texts.__struct_fields__ if name != "checks"
    )
    reference = _Source(assignment.root / "reference" / f"{assignment.slug}.py", assignment.root)
    everywhere = [
        _Source(path, assignment.root) for path in sorted(assignment.folder.glob("conftest.py"))
    ]
    hashes = {}
    for path in sorted(assignment.folder.glob("test_*.py")):
        source = _Source(path, assignment.root)
        for name in source.checks:
            used = source.used_by([name])
            fixtures = [f"{s.path.name}\0{s.whole}" for s in everywhere]
            hashes[name] = _hash(
                [
                    common,
                    shared_texts,
                    repr(texts.checks.get(name)),
                    *used.code,
                    *fixtures,
                    *(reference.used_by(used.of_reference).code if used.of_reference else ()),
                    reference.whole if used.reference_as_whole else "",
                ]
            )
    return hashes


class _Use(msgspec.Struct):
    code: list[str]
    of_reference: list[str]
    reference_as_whole: bool


class _Statement:
    """A statement at the top of a file: its code, and what it uses."""

    def __init__(self, statement: ast.stmt, root: Path, here: Path) -> None:
        self.code = _hash([ast.dump(statement)])
        nodes = list(ast.walk(statement))
        self.binds = list(_bound_by(statement))
        self.is_automatic = _is_automatic(statement)
        self.names = list(dict.fromkeys(_names_among(nodes)))
        self.modules = _local_imports(nodes, root, here)
        attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
        self.of_reference = {node.attr for node in attributes if _is_reference(node.value)}
        values = {id(node.value) for node in attributes}
        self.reference_as_whole = any(
            _is_reference(node) and id(node) not in values for node in nodes
        )


class _Source:
    """A Python file, by the names that it binds at its top."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self._bound: dict[str, list[_Statement]] = {}
        self._always: list[_Statement] = []
        self._all: list[_Statement] = []
        if path.is_file():
            self._all = [_Statement(one, root, path.parent) for one in _parsed(path).body]
        self.whole = _hash([statement.code for statement in self._all])
        for statement in self._all:
            for name in statement.binds:
                self._bound.setdefault(name, []).append(statement)
            if not statement.binds or "pytestmark" in statement.binds or statement.is_automatic:
                self._always.append(statement)

    @property
    def checks(self) -> list[str]:
        """Names of the test functions."""
        return [name for name in self._bound if name.startswith("test_")]

    def used_by(self, names: Sequence[str]) -> _Use:
        """Return the code of `names` and of all that they use, in this file and in local modules."""
        used = dict.fromkeys(self._always)
        waiting = [*names, *(name for statement in self._always for name in statement.names)]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for statement in self._bound.get(name, ()):
                used[statement] = None
                waiting += statement.names
        ordered = [statement for statement in self._all if statement in used]
        modules = dict.fromkeys(path for statement in ordered for path in statement.modules)
        return _Use(
            [*(statement.code for statement in ordered), *map(_hash_file, modules)],
            sorted(set().union(*(statement.of_reference for statement in ordered))),
            any(statement.reference_as_whole for statement in ordered),
        )


def _is_reference(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "reference"


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement at the top of a file binds."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        for alias in statement.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def _is_automatic(statement: ast.stmt) -> bool:
    """Whether it is a fixture that no check has to name."""
    return isinstance(statement, ast.FunctionDef) and any(
        isinstance(node, ast.keyword) and node.arg == "autouse"
        for decorator in statement.decorator_list
        for node in ast.walk(decorator)
    )


def _names_among(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that a statement's nodes read, and the fixtures that they ask for."""
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Constant) and str(node.value).isidentifier():
            yield str(node.value)  # pytest.mark.usefixtures("name"), getattr(…, "name")


def _local_imports(nodes: Iterable[ast.AST], root: Path, here: Path) -> list[Path]:
    """Return the files below `root`, but for the engine's own, that `nodes` import."""
    found: dict[Path, None] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            modules = [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            modules = [(node.level, base)]
            modules += [(node.level, f"{base}.{a.name}".strip(".")) for a in node.names]
        else:
            continue
        for level, module in modules:
            parts = module.split(".") if module else []
            starts = [here, root] if level == 0 else [[here, *here.parents][level - 1]]
            for start in starts:
                found.update(dict.fromkeys(_files_of_module(start, parts)))
    return [path for path in found if not path.resolve().is_relative_to(_ENGINE)]


def _files_of_module(start: Path, parts: list[str]) -> Iterator[Path]:
    for depth in range(1, len(parts) + 1):
        package = start.joinpath(*parts[:depth])
        if (package / "__init__.py").is_file():
            yield package / "__init__.py"
    if parts and (file := start.joinpath(*parts).with_suffix(".py")).is_file():
        yield file


@cache
def _parse(path: Path, text: str) -> ast.Module:
    return ast.parse(text, str(path))


def _parsed(path: Path) -> ast.Module:
    """Return the syntax of a file; of one that has none, an empty one: collecting it tells why."""
    try:
        return _parse(path, path.read_text("utf-8"))
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hash(parts: Iterable[Any]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        data = str(part).encode()
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()
