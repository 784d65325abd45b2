"""torch's compiler, put off until something is compiled.

The first optimiser of a process has torch import its compiler, 800 modules that take as long as
torch itself, only to be told that nothing is being compiled. What stands in its place here says
so at once, and makes way for the real one as soon as anything else is asked of it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


def put_off_compiler() -> None:
    """Have torch do without its compiler until it is used. Call this when torch is imported."""
    if NAME not in sys.modules:
        stand_in = _StandIn(NAME)
        sys.modules[NAME] = stand_in
        sys.modules["torch"]._dynamo = stand_in  # type: ignore[attr-defined]
        sys.meta_path.insert(0, _Parts)


def is_put_off() -> bool:
    """Tell whether nothing has asked for the compiler yet."""
    return isinstance(sys.modules.get(NAME), _StandIn)


def _compiler() -> ModuleType:
    """Return the compiler itself, which is imported by the first call."""
    if is_put_off():
        del sys.modules[NAME], sys.modules["torch"]._dynamo
        sys.meta_path.remove(_Parts)
    return importlib.import_module(NAME)


class _StandIn(ModuleType):
    """Answers what torch's eager code asks of its compiler as the compiler would."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []  # a package: its parts are found by _Parts
        self.__spec__ = ModuleSpec(
            name, None, is_package=True
        )  # for whoever looks whether it is there

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # whoever looks through all modules asks for these
            raise AttributeError(name)
        return getattr(_compiler(), name)

    def graph_break(self, msg: str = "") -> None:
        """End a graph that is being made: there is none."""
        if not is_put_off():
            _compiler().graph_break(msg)

    def disable(self, fn: Any = None, *args: Any, **options: Any) -> Callable[..., Any]:
        """Return `fn` as it is, until there is a compiler to keep away from it."""
        if fn is None or not is_put_off():
            return _compiler().disable(fn, *args, **options)  # type: ignore[no-any-return]
        kept = fn

        def undisturbed(*values: Any, **named: Any) -> Any:
            nonlocal kept
            if kept is fn and not is_put_off():
                kept = _compiler().disable(fn, *args, **options)
            return kept(*values, **named)

        return undisturbed


class _Parts:
    """Finds modules inside the compiler by importing the compiler first, as Python does."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> ModuleSpec | None:
        return ModuleSpec(name, _There()) if name.startswith(f"{NAME}.") else None


class _There(Loader):
    """Loads a module that importing its package may have loaded already."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        _compiler()
        module = importlib.import_module(spec.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec
