"""When a notebook is saved: told once the file is whole.

The file is looked at again and again rather than watched by the operating
system: editors replace files, network drives tell nothing, and one look at one
file costs microseconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LOOK_SECONDS = 0.1
"""Between two looks. A file that has not changed from one to the next is no longer being written."""
PATIENCE_SECONDS = 2.0
"""How long a file that is no JSON may be half of one; after that it is damaged."""

_Seen = tuple[int, int, int]


def saves(path: Path, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Yield for the file at `path` as it is, and again whenever it has been saved.

    A file that is missing for a moment, as while an editor replaces it, is
    waited for. One that is saved while the caller is busy is told as soon as
    the next item is asked for.

    Parameters
    ----------
    path
        The notebook.
    sleep
        Called to wait.
    """
    told = _look(path)
    yield
    while True:
        sleep(LOOK_SECONDS)
        seen = _look(path)
        if seen is None or seen == told:
            continue
        told = _settled(path, seen, sleep)
        yield


def _settled(path: Path, seen: _Seen, sleep: Callable[[float], None]) -> _Seen:
    """Wait until what is written is whole; return how the file looks then."""
    waited = 0.0
    while True:
        sleep(LOOK_SECONDS)
        now = _look(path)
        if now is None or now != seen:
            seen, waited = now or seen, 0.0
        elif _is_json(path) or waited >= PATIENCE_SECONDS:
            return seen
        else:
            waited += LOOK_SECONDS


def _look(path: Path) -> _Seen | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return True
