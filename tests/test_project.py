"""What holds for the tree as a whole: its layers, its dependencies, its Makefile, its words."""

from __future__ import annotations

import ast
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import grimp
import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# A wheel of torch for an accelerator brings that accelerator's libraries, one for CPU does not.
ACCELERATOR = re.compile(r"(nvidia|cuda|triton|pytorch-triton)\b")


def tree() -> list[Path]:
    """Every file of the tree that git does not ignore, from its root."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def engine() -> list[Path]:
    return [path for path in tree() if path.parts[0] == "grader"]


def text_of(path: Path) -> str:
    """The file as text; a byte that is no UTF-8 becomes a mark that matches nothing."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def declared(extra: str | None = None) -> list[Requirement]:
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return [Requirement(line) for line in lines]


def pinned() -> dict[str, Version]:
    pins = {}
    for line in text_of(Path("constraints.txt")).splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pins[canonicalize_name(name)] = Version(version)
    return pins


# ---------------------------------------------------------------- the engine knows no homework


def test_no_file_of_the_engine_names_a_homework() -> None:
    slugs = tomllib.loads(text_of(Path("course.toml")))["assignments"]
    homework = re.compile("|".join([*map(re.escape, slugs), r"\bhw[ _-]?\d"]), re.IGNORECASE)
    named = {
        f"{path}: {found[0]}" for path in engine() if (found := homework.search(text_of(path)))
    }
    assert slugs
    assert not named


# ---------------------------------------------------------------- imports point one way


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-logo", "--no-cache"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )


def test_imports_point_one_way() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("importer", "imported", "contract"),
    [
        ("course", "notebook", "Imports point one way"),
        ("kernel", "checks", "Imports point one way"),
        ("grading", "cli", "Imports point one way"),
        ("feedback", "kernel", "Feedback reads"),
        ("kernel.caged", "course", "What student code can see"),
        ("kernel.caged", "report", "What student code can see"),
    ],
)
def test_an_import_against_the_layers_is_caught(
    tmp_path: Path, importer: str, imported: str, contract: str
) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "grader", tmp_path / "grader")
    (tmp_path / "grader" / importer.replace(".", "/") / "trespasser.py").write_text(
        f"import grader.{imported}\n"
    )
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert re.search(rf"{contract}.* BROKEN", result.stdout), result.stdout


def test_the_caged_engine_imports_nothing_else_of_the_engine() -> None:
    graph = grimp.build_graph("grader", cache_dir=None)
    caged = {"grader.kernel.caged", *graph.find_descendants("grader.kernel.caged")}
    reached = {
        imported
        for module in caged
        for imported in graph.find_modules_directly_imported_by(module)
        if imported not in caged
    }
    assert not reached
    assert len(caged) > 1


# ---------------------------------------------------------------- dependencies, chosen and pinned


@pytest.mark.parametrize("extra", [None, *PROJECT["optional-dependencies"]])
def test_every_direct_dependency_is_pinned_within_its_bounds(extra: str | None) -> None:
    pins = pinned()
    for requirement in declared(extra):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"constraints.txt does not pin {requirement.name}"
        assert version in requirement.specifier, f"{requirement.name} is pinned at {version}"


def test_what_the_dependencies_bring_is_pinned_too() -> None:
    pins = pinned()
    waiting = [
        *declared(),
        *(r for extra in PROJECT["optional-dependencies"] for r in declared(extra)),
    ]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if ACCELERATOR.match(name):
            continue
        assert name in pins, f"constraints.txt does not pin {name}"
        for extra in ["", *requirement.extras]:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            environment = {**default_environment(), "extra": extra}
            waiting += [
                needed
                for needed in map(Requirement, distribution(name).requires or [])
                if needed.marker is None or needed.marker.evaluate(environment)
            ]


def test_the_tests_run_with_the_pinned_versions() -> None:
    drifted = {
        name: installed.public
        for name, version in pinned().items()
        if (installed := Version(distribution(name).version)).public != version.public
    }
    assert not drifted


def test_constraints_name_versions_and_nothing_else() -> None:
    lines = [
        line
        for line in text_of(Path("constraints.txt")).splitlines()
        if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line) for line in lines)
    assert lines == sorted(lines, key=lambda line: canonicalize_name(line.split("==")[0]))


def test_whatever_the_engine_imports_is_declared() -> None:
    owners = packages_distributions()
    extras = [extra for extra in PROJECT["optional-dependencies"] if extra != "dev"]
    wanted = [r for extra in (None, *extras) for r in declared(extra)]
    direct = {canonicalize_name(requirement.name) for requirement in wanted}
    ours = {"grader", "caged", *sys.stdlib_module_names}
    undeclared = set()
    for path in engine():
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(text_of(path))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in {name.split(".")[0] for name in names} - ours:
                if direct.isdisjoint(map(canonicalize_name, owners.get(name, []))):
                    undeclared.add(f"{path}: {name}")
    assert not undeclared


def test_every_data_file_of_the_engine_is_packaged() -> None:
    settings = tomllib.loads(text_of(Path("pyproject.toml")))["tool"]["setuptools"]
    package = ROOT / "grader"
    packaged = {
        path.relative_to(ROOT)
        for pattern in settings["package-data"]["grader"]
        for path in package.glob(pattern)
    }
    data = {path for path in engine() if path.suffix != ".py"}
    assert data
    assert data <= packaged


def test_every_folder_of_the_engine_with_modules_is_a_package() -> None:
    folders = {path.parent for path in engine() if path.suffix == ".py"}
    assert not [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()]


# ---------------------------------------------------------------- the Makefile


def fresh_checkout(folder: Path) -> Path:
    """Copy what set-up reads into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def set_up_checkout(folder: Path) -> Path:
    """Make a checkout that `make` takes for set up; its `grader` prints the words it is given."""
    scripts = fresh_checkout(folder) / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "python").symlink_to(sys.executable)
    write_program(scripts / "grader", "printf '%s\\n' \"$@\"")
    place = f"{folder.resolve()}\n".encode()
    checksum = subprocess.run(["cksum"], input=place, check=True, capture_output=True).stdout
    (folder / ".venv" / f"ready-{checksum.decode().split()[0]}").touch()
    return folder


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """A folder of programs, for PATH: those of a small Debian, but no Python, apt-get or bubblewrap."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in "bash cat cksum cut env flock grep id mkdir rm sh touch".split():
        place = shutil.which(name)
        assert place
        (programs / name).symlink_to(place)
    return programs


def make(*words: str, folder: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"ARGS", "ASSIGNMENT", "MAKEFLAGS", "MAKELEVEL", "NB", "PYTHON"}
    }
    if path:
        environment["PATH"] = str(path)
    command = shutil.which("make")
    assert command
    return subprocess.run(
        [command, *words],
        cwd=folder,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_make_alone_lists_every_target() -> None:
    targets = re.findall(r"^\.PHONY: ([a-z-]+)$", text_of(Path("Makefile")), re.MULTILINE)
    listed = make(folder=ROOT).stdout.splitlines()
    assert {"grade", "test", "lint", "check", "bench", "clean", "help"} <= set(targets)
    assert sorted(targets) == sorted(line.split()[0] for line in listed)


@pytest.mark.parametrize(
    ("command", "received"),
    [
        (["grade"], ["grade"]),
        (["grade", "ASSIGNMENT=nets"], ["grade", "nets"]),
        (["grade", "ASSIGNMENT=nets", "ARGS=-j 2"], ["grade", "nets", "-j", "2"]),
        (["check", "NB=my home work.ipynb"], ["check", "my home work.ipynb"]),
        (["check", "NB=a'b\"c.ipynb", "ARGS=--html x"], ["check", "a'b\"c.ipynb", "--html", "x"]),
    ],
)
def test_make_hands_its_words_to_the_grader_unchanged(
    tmp_path: Path, bare_machine: Path, command: list[str], received: list[str]
) -> None:
    write_program(bare_machine / "bwrap", "exit 0")
    folder = set_up_checkout(tmp_path / "a course, with 'spaces'")
    result = make(*command, folder=folder, path=bare_machine)
    assert result.stdout.splitlines() == received
    assert not result.stderr


def test_make_fails_when_the_grader_does_and_names_its_exit_code(
    tmp_path: Path, bare_machine: Path
) -> None:
    write_program(bare_machine / "bwrap", "exit 0")
    folder = set_up_checkout(tmp_path / "course")
    write_program(folder / ".venv" / "bin" / "grader", "exit 3")
    result = make("grade", folder=folder, path=bare_machine)
    assert result.returncode != 0
    assert "Error 3" in result.stderr


def test_make_check_without_a_notebook_says_how_to_name_one(tmp_path: Path) -> None:
    result = make("check", folder=set_up_checkout(tmp_path / "course"))
    assert result.returncode == 2
    assert "make check NB=" in result.stderr


def test_a_second_make_starts_within_a_second(tmp_path: Path, bare_machine: Path) -> None:
    write_program(bare_machine / "bwrap", "exit 0")
    folder = set_up_checkout(tmp_path / "course")
    start = time.monotonic()
    assert make("setup", folder=folder, path=bare_machine).returncode == 0
    assert time.monotonic() - start < 1


def test_without_bubblewrap_make_says_what_to_install_and_what_does_not_work(
    tmp_path: Path, bare_machine: Path
) -> None:
    folder = set_up_checkout(tmp_path / "course")
    result = make("grade", folder=folder, path=bare_machine)
    assert "apt-get install bubblewrap" in result.stderr
    assert "batch grading refuses" in result.stderr
    assert result.stdout == "grade\n"


def test_without_python_make_says_what_to_install(tmp_path: Path, bare_machine: Path) -> None:
    result = make("test", folder=fresh_checkout(tmp_path / "course"), path=bare_machine)
    assert result.returncode != 0
    assert "Python 3.11" in result.stderr
    assert "apt-get install python3 python3-venv" in result.stderr


def test_a_python_without_venv_is_named_with_its_package(
    tmp_path: Path, bare_machine: Path
) -> None:
    write_program(
        bare_machine / "python3",
        f"""case "$2" in *ensurepip*) exit 1 ;; esac; exec '{sys.executable}' "$@\"""",
    )
    folder = fresh_checkout(tmp_path / "course")
    result = make("test", folder=folder, path=bare_machine)
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    assert result.returncode != 0
    assert f"apt-get install {package}" in result.stderr
    assert not (folder / ".venv").exists()


def write_python(path: Path, *, alone: bool) -> None:
    """Make a Python 3.11 that tells its name when it is to make an environment, and does not."""
    write_program(
        path,
        f"""case "$*" in
        *libpython*) exit {0 if alone else 1} ;;
        *"-m venv"*) echo "{path.name} was chosen" >&2; exit 1 ;;
        *) exec '{sys.executable}' "$@" ;;
        esac""",
    )


@pytest.mark.parametrize(
    ("pythons", "given", "chosen"),
    [
        ({"python3": True, "python3.12": True}, None, "python3"),
        ({"python3": False, "python3.12": True}, None, "python3.12"),
        ({"python3": False, "python3.12": False}, None, "python3"),
        ({"python3": True, "mine": False}, "mine", "mine"),
    ],
)
def test_make_takes_the_first_python_that_is_a_program_of_its_own_unless_told_otherwise(
    tmp_path: Path, bare_machine: Path, pythons: dict[str, bool], given: str | None, chosen: str
) -> None:
    for name, alone in pythons.items():
        write_python(bare_machine / name, alone=alone)
    words = ["setup"] if given is None else ["setup", f"PYTHON={bare_machine / given}"]
    result = make(*words, folder=fresh_checkout(tmp_path / "course"), path=bare_machine)
    assert result.returncode != 0
    assert f"{chosen} was chosen\n" in result.stderr


def test_an_environment_whose_set_up_was_interrupted_is_not_used(
    tmp_path: Path, bare_machine: Path
) -> None:
    folder = set_up_checkout(tmp_path / "course")
    next((folder / ".venv").glob("ready-*")).rename(folder / ".venv" / "unfinished")
    assert make("grade", folder=folder, path=bare_machine).returncode != 0
    assert not (folder / ".venv").exists()


def test_an_environment_that_was_moved_is_not_used(tmp_path: Path, bare_machine: Path) -> None:
    folder = set_up_checkout(tmp_path / "here").rename(tmp_path / "there")
    assert make("grade", folder=folder, path=bare_machine).returncode != 0
    assert not (folder / ".venv").exists()


def test_a_second_make_waits_for_the_first(tmp_path: Path, bare_machine: Path) -> None:
    folder = fresh_checkout(tmp_path / "course")
    with (folder / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(make, "setup", folder=folder, path=bare_machine)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            set_up_checkout(folder)
            fcntl.flock(lock, fcntl.LOCK_UN)
    result = waiting.result()
    assert "waiting for it" in result.stderr
    assert result.returncode == 0, result.stderr


def test_continuous_integration_can_start_its_script() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# ---------------------------------------------------------------- what people read


def test_no_file_holds_a_path_of_the_machine_that_it_was_written_on() -> None:
    places = re.compile(r"(?<![\w.-])/(?:work|root|Users|home/(?!student\b)\w+)/")
    found = {
        f"{path}:{number}: {line.strip()[:80]}"
        for path in tree()
        if path != Path("tests/test_project.py")
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if places.search(line)
    }
    assert not found


PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(p for p in map(str, tree()) if p.startswith("docs/") and p.endswith(".md")),
]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_only_to_what_is_there(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(Path(page)))
    folder = (ROOT / page).parent
    assert not [link for link in links if "://" not in link and not (folder / link).exists()]


def test_the_readme_shows_every_exit_code_of_grading() -> None:
    readme = text_of(Path("README.md"))
    assert all(f"| {code} |" in readme for code in range(4))


def test_the_changelog_tells_of_this_version_or_of_the_next() -> None:
    version = re.search(r'__version__ = "([^"]+)"', text_of(Path("grader/__init__.py")))
    assert version
    assert re.search(
        rf"^## \[(?:Unreleased|{re.escape(version[1])})\]",
        text_of(Path("CHANGELOG.md")),
        re.MULTILINE,
    )
