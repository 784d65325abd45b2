"""``pip install`` in a cell, answered without pip where that is certain.

In the cage nothing can be installed, and pip takes longer to say so than most notebooks to run. What
is installed already is; what is not, or not in that version, cannot be had. Any command that means
more than names and versions is left to the shell.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import shlex
from collections.abc import Callable
from typing import Any, Final

_HARMLESS: Final = frozenset(
    {
        *("-U", "--upgrade", "--user", "--no-cache-dir", "--no-warn-script-location"),
        *(
            "--disable-pip-version-check",
            "--no-input",
            "--prefer-binary",
            "--break-system-packages",
        ),
    }
)
"""Options that change nothing where nothing can be fetched."""
_QUIET: Final = frozenset({"-q", "-qq", "-qqq", "--quiet"})
_OF_THE_SHELL: Final = frozenset("$`\\*?[]{}~#\n;&|<>()")
"""What may mean more to a shell than itself; extras and some versions are written with it, too."""
_ARCHIVES: Final = (".whl", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".lzma")
_NO_NETWORK: Final = "ERROR: A notebook is graded without a network: nothing can be downloaded."


def answer_installs(shell: Any, python: str) -> None:
    """Have `shell` answer for pip where :func:`answer` can; `python` is its interpreter."""
    usual: Callable[[str], None] = shell.system

    def system(command: str) -> None:
        answered = None
        with contextlib.suppress(Exception):  # pip tells what is wrong
            answered = answer(command, python)
        if answered is None:
            usual(command)
            return
        text, code = answered
        print(text, end="")
        shell.user_ns["_exit_code"] = code
        if code and getattr(shell, "system_raise_on_error", False):
            usual("exit 1")  # which raises what the shell raises

    shell.system = system


def answer(command: str, python: str) -> tuple[str, int] | None:
    """Return what pip says to `command` and its exit status, None if only pip can tell.

    Raises
    ------
    ValueError
        If it is no command, or names no package.
    ImportError
        If ``packaging`` is not there.
    """
    words = _words(command)
    if words[:1] in (["pip"], ["pip3"]):
        words = words[1:]
    elif words[1:3] == ["-m", "pip"] and words[0] in ("python", "python3", python):
        words = words[3:]
    else:
        return None
    if words[:1] != ["install"]:
        return None
    options = {word for word in words[1:] if word.startswith("-")}
    names = [word for word in words[1:] if not word.startswith("-")]
    if not names or not options <= _HARMLESS | _QUIET:
        return None
    told: list[str] = []
    for name in names:
        if name.lower().endswith(_ARCHIVES):
            return None
        requirement = importlib.import_module("packaging.requirements").Requirement(name)
        if requirement.url or requirement.marker or requirement.extras:
            return None
        try:
            found = importlib.metadata.distribution(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            found = None
        if found is None or not requirement.specifier.contains(found.version, prereleases=True):
            return "\n".join([*told, *_refused(name), ""]), 1
        if not options & _QUIET:
            place = found.locate_file("")
            told.append(f"Requirement already satisfied: {name} in {place} ({found.version})")
    return "\n".join([*told, ""]) if told else "", 0


def _words(command: str) -> list[str]:
    """Split `command` as a shell does, if it holds nothing for the shell but words and quotes."""
    quote = "'" if "'" in command else '"'
    parts = command.split(quote)
    if {"'", '"'} <= set(command) or set("".join(parts[::2])) & _OF_THE_SHELL:
        raise ValueError("this is for a shell")
    if set("".join(parts[1::2])) & set("$`\\\n"):  # which mean something in quotes, too
        raise ValueError("this is for a shell")
    return shlex.split(command)


def _refused(name: str) -> list[str]:
    return [
        f"ERROR: Could not find a version that satisfies the requirement {name} (from versions: none)",
        f"ERROR: No matching distribution found for {name}",
        _NO_NETWORK,
    ]
