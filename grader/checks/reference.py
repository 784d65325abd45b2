"""``reference``: the executable reference solution, in the grader's own process.

Calls with equal arguments are answered from a cache, for a worker judges the
same questions for every student.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from grader.kernel.caged.compiler import put_off_compiler
from grader.kernel.caged.wire import WireError, pack

_ARGUMENT_BYTES = 1 << 20
"""Arguments of more bytes are not looked up: to pack them takes as long as many a call."""
_KEPT_RESULTS = 1024
_KEPT_BYTES = 1 << 26


class BrokenReference(RuntimeError):
    """The reference solution cannot be imported: its author has to mend it."""


class Reference:
    """Attributes are the names of the module ``reference/<slug>.py``; its functions are cached."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._module = load_reference(path)
        self._results = _Recent(_KEPT_RESULTS, _KEPT_BYTES)

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
                key = pack([name, list(args), kwargs], _ARGUMENT_BYTES)
            except WireError:
                return value(*args, **kwargs)
            digest = hashlib.sha256(key).digest()
            if digest not in self._results:
                self._results[digest] = value(*args, **kwargs)
            return _copy(self._results[digest])

        return cached


class _Recent(OrderedDict[bytes, Any]):
    """The results asked for last: a class's own, each of another seed, would fill the memory."""

    def __init__(self, most: int, most_bytes: int) -> None:
        super().__init__()
        self.most = most
        self.most_bytes = most_bytes
        self.bytes = 0

    def __getitem__(self, key: bytes) -> Any:
        self.move_to_end(key)
        return super().__getitem__(key)

    def __setitem__(self, key: bytes, value: Any) -> None:
        """Keep one more, at the cost of those that nobody asked for the longest."""
        super().__setitem__(key, value)
        self.bytes += _bytes_of(value)
        while len(self) > self.most or (self.bytes > self.most_bytes and len(self) > 1):
            _, gone = self.popitem(last=False)
            self.bytes -= _bytes_of(gone)


def _bytes_of(value: Any) -> int:
    """About how much memory the arrays, tensors and texts of a result take."""
    if isinstance(value, (list, tuple)):
        return sum(map(_bytes_of, value))
    if isinstance(value, dict):
        return sum(map(_bytes_of, value.values()))
    return int(getattr(value, "nbytes", 0)) or sys.getsizeof(value)


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
