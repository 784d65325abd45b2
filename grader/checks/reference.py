"""``reference``: the executable reference solution, in the grader's own process.

Calls with equal arguments are answered from a cache, for a worker judges the
same questions for every student.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from grader.kernel.caged.compiler import put_off_compiler
from grader.kernel.caged.wire import WireError, pack

_CACHE_BYTES = 1 << 20


class BrokenReference(RuntimeError):
    """The reference solution cannot be imported: its author has to mend it."""


class Reference:
    """Attributes are the names of the module ``reference/<slug>.py``; its functions are cached."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._module = load_reference(path)
        self._cache: dict[bytes, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            value = getattr(self._module, name)
        except AttributeError:
            raise AttributeError(f"{self._path.name} defines no {name}") from None
        if not inspect.isroutine(value):  # a class, a model, a value
            return value

        def cached(*args: Any, **kwargs: Any) -> Any:
            try:
                key = pack([name, list(args), kwargs], _CACHE_BYTES)
            except WireError:
                return value(*args, **kwargs)
            digest = hashlib.sha256(key).digest()
            if digest not in self._cache:
                self._cache[digest] = value(*args, **kwargs)
            return _copy(self._cache[digest])

        return cached


def _copy(value: Any) -> Any:
    """A copy of what a check could change in place."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_copy(v) for v in value)
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return value


def load_reference(path: Path) -> ModuleType:
    """Import a reference solution by its path, once a process.

    Raises
    ------
    BrokenReference
        If it is not there or raises on import.
    """
    name = f"karnameh_reference_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise BrokenReference(f"{path}: there is no such reference solution")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise BrokenReference(
            f"{path}: it cannot be imported ({type(error).__name__}: {error}); "
            "guard what only a notebook should run with if __name__ == '__main__':"
        ) from error
    if (torch := sys.modules.get("torch")) is not None:
        # Sums in the same order on every machine; the workers are the parallelism.
        torch.set_num_threads(1)
        put_off_compiler()
    return module
