"""Run a program as a user without privileges, wherever the tests are run by root.

The environment and this repository may lie under a folder that only root may
enter (``/root``, for one): in a mount namespace of its own, this program shows
just them to everybody.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from grader.kernel import cage
from grader.kernel.caged import confine

ROOT = Path(__file__).parents[2]
USER = 23456
"""Nobody's number."""


def as_ordinary_user(*command: str) -> list[str]:
    """Return the command that runs `command` as an ordinary user."""
    if os.getuid() != 0:
        return list(command)
    return ["unshare", "--mount", sys.executable, "-m", "tests.kernel.ordinary_user", *command]


def _first_closed(path: Path) -> Path | None:
    """The outermost folder above `path` that others may not enter."""
    above = reversed(path.parents)
    return next((folder for folder in above if not folder.stat().st_mode & 0o001), None)


def main() -> None:
    needed = [*cage._visible_paths(), ROOT]
    closed: dict[Path, list[Path]] = {}
    for path in needed:
        folder = _first_closed(path)
        if folder is not None:
            closed.setdefault(folder, []).append(path)
    for folder, paths in closed.items():
        kept = [(path, os.open(path, os.O_PATH)) for path in paths]
        confine._mount("tmpfs", str(folder), "tmpfs", 0, "mode=0755")
        for path, descriptor in kept:
            path.mkdir(parents=True, exist_ok=True)
            source = f"/proc/self/fd/{descriptor}"
            confine._mount(source, str(path), "", confine._MS_BIND | confine._MS_REC)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
