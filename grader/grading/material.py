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

_ENGINE = Path(__file__).parents[1]
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
        for module in _local_imports(_parsed(path), root, path.parent):
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


class _Source:
    """A Python file, by the names that it binds at its top."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self._root = root
        self._bound: dict[str, list[ast.stmt]] = {}
        self._always: list[ast.stmt] = []
        self.whole = ""
        if not path.is_file():
            return
        tree = _parsed(path)
        self.whole = ast.dump(tree)
        for statement in tree.body:
            names = list(_bound_by(statement))
            for name in names:
                self._bound.setdefault(name, []).append(statement)
            if not names or "pytestmark" in names or _is_automatic(statement):
                self._always.append(statement)

    @property
    def checks(self) -> list[str]:
        """Names of the test functions."""
        return [name for name in self._bound if name.startswith("test_")]

    def used_by(self, names: Sequence[str]) -> _Use:
        """Return the code of `names` and of all that they use, in this file and in local modules."""
        statements: dict[int, ast.stmt] = {id(s): s for s in self._always}
        waiting = [*names, *(name for s in self._always for name in _names_in(s))]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for statement in self._bound.get(name, ()):
                statements[id(statement)] = statement
                waiting += _names_in(statement)
        ordered = [s for s in (*self._all(),) if id(s) in statements]
        module = ast.Module(body=ordered, type_ignores=[])
        code = [ast.dump(module)]
        code += [_hash_file(p) for p in _local_imports(module, self._root, self.path.parent)]
        asked = sorted(
            {
                node.attr
                for node in ast.walk(module)
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "reference"
            }
        )
        attributes = {
            id(node.value) for node in ast.walk(module) if isinstance(node, ast.Attribute)
        }
        whole = any(
            isinstance(node, ast.Name) and node.id == "reference" and id(node) not in attributes
            for node in ast.walk(module)
        )
        return _Use(code, asked, whole)

    def _all(self) -> Iterator[ast.stmt]:
        seen: set[int] = set()
        for statement in [*(s for group in self._bound.values() for s in group), *self._always]:
            if id(statement) not in seen:
                seen.add(id(statement))
                yield statement


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


def _names_in(statement: ast.AST) -> list[str]:
    """Return the names that a statement reads, and the fixtures that it asks for."""
    names = [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]
    names += [node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)]
    # pytest.mark.usefixtures("name"), getattr(…, "name")
    names += [
        node.value
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.isidentifier()
    ]
    return names


def _local_imports(tree: ast.AST, root: Path, here: Path) -> list[Path]:
    """Return the files below `root` that `tree` imports."""
    found: dict[Path, None] = {}
    for node in ast.walk(tree):
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
    return list(found)


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
