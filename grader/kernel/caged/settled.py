"""Functions whose results follow from their arguments alone, whatever was called before.

A check that fails in a process which answered others before may fail for what they did there. Of
most functions it can be told that they did nothing to it: all that such a function reads besides
its arguments, by the names in its code, is what it was when this process was forked, and nothing
that could change inside: functions and classes of the notebook of which the same holds, plain
values, and libraries that keep no state. Of any other function, nothing is said.
"""

from __future__ import annotations

import builtins
import sys
import types
from opcode import opmap
from typing import Any, Final

# Student code may replace builtins; these functions keep the ones of now.
globals()["__builtins__"] = dict(vars(builtins))

_LIBRARIES: Final = (
    "math", "cmath", "itertools", "functools", "operator", "collections", "typing", "copy", "random",
    "numpy", "numpy.linalg", "numpy.random", "torch", "torch.nn", "torch.nn.functional", "torch.linalg",
)  # fmt: skip
"""Modules that compute, and keep at most a random generator, which is seeded for every check."""
_ROOTS: Final = frozenset(name.partition(".")[0] for name in _LIBRARIES)
_STATE: Final = frozenset(
    "open input eval exec compile globals locals vars dir __import__ breakpoint help id setattr delattr "
    "load loadtxt genfromtxt fromfile memmap open_memmap from_file read exists hub compiler "
    "get_state get_rng_state initial_seed get_num_threads data_ptr geterr get_printoptions".split()
)
"""Names, of builtins or attributes, that look beyond the arguments."""
_DUNDERS: Final = frozenset(
    "__init__ __call__ __len__ __getitem__ __setitem__ __iter__ __next__ __add__ __radd__ __mul__ __rmul__ "
    "__sub__ __neg__ __matmul__ __truediv__ __pow__ __eq__ __lt__ __repr__ __str__ __name__ __class__ "
    "__enter__ __exit__ __post_init__ __hash__ __bool__ __contains__ __float__ __int__ __new__ __doc__ "
    "__module__ __qualname__ __annotations__ __dict__ __weakref__ __slots__ __firstlineno__ "
    "__static_attributes__ __classcell__ __abstractmethods__ _abc_impl".split()
)
_PLAIN: Final = (type(None), bool, int, float, complex, str, bytes, range, type(...))
_DESCRIPTORS: Final = (types.GetSetDescriptorType, types.MemberDescriptorType)
_IMPORT: Final = opmap["IMPORT_NAME"]
_MISSING: Final = object()

_usual: dict[str, dict[str, Any]] = {}


def note_libraries() -> None:
    """Note what the libraries are before any notebook runs; until then nothing is settled."""
    for name in ("builtins", *_LIBRARIES):
        if name in sys.modules:
            _usual[name] = dict(vars(sys.modules[name]))


def _settings() -> list[Any]:
    """What changes the results of libraries, or what they raise or print, and is no argument."""
    found: list[Any] = [sys.getrecursionlimit(), sys.get_int_max_str_digits()]
    if (warnings := sys.modules.get("warnings")) is not None:
        found.append(list(warnings.filters))
    if (numpy := sys.modules.get("numpy")) is not None:
        found += [numpy.geterr(), numpy.get_printoptions()]
    if (torch := sys.modules.get("torch")) is not None:
        hooks = vars(torch.nn.modules.module)
        found += [torch.get_default_dtype(), torch._C._len_torch_function_stack()]
        found += [str(torch.get_default_device()), dict(vars(torch._tensor_str.PRINT_OPTS))]
        found += [
            len(v) for k, v in hooks.items() if k.startswith("_global_") and isinstance(v, dict)
        ]
    return found


def _settings_or_none() -> list[Any] | None:
    """As :func:`_settings`; None where a notebook broke what tells them."""
    try:
        return _settings()
    except BaseException:
        return None


class Settled:
    """A notebook's variables as they are now, to tell later which functions nothing has touched.

    Parameters
    ----------
    namespace
        The global names of the notebook.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.before = dict(namespace)
        self.settings = _settings_or_none()
        self.parts = {
            id(value): _parts(value)
            for value in self.before.values()
            if type(value) in (types.FunctionType, type)
        }

    def are(self, names: set[str]) -> bool:
        """Whether what these names stand for computes from its arguments what it did before."""
        self.seen: set[int] = set()
        same = self.settings is not None and self.settings == _settings_or_none()
        return bool(_usual) and same and all(map(self._is_global, names))

    def _is_global(self, name: str) -> bool:
        value = self.namespace.get(name, _MISSING)
        if value is not self.before.get(name, _MISSING):
            return False
        return value is _MISSING or self._is(value)

    def _is(self, value: Any) -> bool:
        kind = type(value)
        if kind in _PLAIN:
            return True
        if kind in (tuple, frozenset):
            return all(map(self._is, value))
        if kind is types.ModuleType:
            name = vars(value).get("__name__")
            return type(name) is str and name in _usual and sys.modules.get(name) is value
        if id(value) in self.seen:  # or about to be seen through
            return True
        self.seen.add(id(value))
        if kind is types.FunctionType and value.__globals__ is self.namespace:
            before = self.parts.get(id(value))
            return before is not None and _alike(_parts(value), before) and self._is_function(value)
        if kind is type and value.__module__ == "__main__":
            before = self.parts.get(id(value))
            return before is not None and _alike(_parts(value), before) and self._is_class(value)
        return _is_of_library(value)

    def _is_function(self, function: Any) -> bool:
        code, *held = _parts(function)
        return not vars(function) and all(map(self._is, held)) and self._is_code(code)

    def _is_class(self, cls: Any) -> bool:
        for name, value in vars(cls).items():
            kind = type(value)
            held = [value]
            if kind in (staticmethod, classmethod):
                held = [value.__func__]
            elif kind is property:
                held = [value.fget, value.fset, value.fdel]
            elif kind in _DESCRIPTORS or name == "__annotations__":
                held = []
            for part in held:
                own = type(part) is types.FunctionType and part.__globals__ is self.namespace
                if not (self._is_function(part) if own else self._is(part)):
                    return False
        return all(map(self._is, cls.__bases__))

    def _is_code(self, code: types.CodeType) -> bool:
        operations = zip(code.co_code[::2], code.co_code[1::2], strict=True)
        imported = [code.co_names[n] for does, n in operations if does == _IMPORT]
        if len(code.co_names) > 256 or any(n.partition(".")[0] not in _ROOTS for n in imported):
            return False
        nested = (part for part in code.co_consts if type(part) is types.CodeType)
        return all(map(self._is_name, code.co_names)) and all(map(self._is_code, nested))

    def _is_name(self, name: str) -> bool:
        """Whether a name in code, of a variable or an attribute, stands for what does not change."""
        if name in _STATE or (name[:2] == "__" and name not in _DUNDERS):
            return False
        for library, usual in _usual.items():
            # Also what a notebook has put there: ``np.count = 0``.
            now = vars(sys.modules[library]) if library in sys.modules else {}
            if now.get(name, _MISSING) is not usual.get(name, _MISSING):
                return False
        if name in self.namespace or name in self.before:
            return self._is_global(name)
        return name not in sys.modules or name in _ROOTS


def _parts(value: Any) -> tuple[Any, ...]:
    """What a function or a class is made of, to be compared with what it is made of later."""
    if type(value) is types.FunctionType:
        named = value.__kwdefaults__ or {}
        cells = [_content(cell) for cell in value.__closure__ or ()]
        return (value.__code__, *(value.__defaults__ or ()), *named, *named.values(), *cells)
    own = dict(vars(value))
    functions = [part for part in map(_function_in, own.values()) if part is not None]
    inner = [part for function in functions for part in _parts(function)]
    return (*value.__bases__, *own, *own.values(), *inner)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing is bound yet
        return _MISSING


def _function_in(value: Any) -> Any:
    """The function that a member of a class is or wraps; of a property, the one that reads it."""
    if type(value) in (staticmethod, classmethod):
        value = value.__func__
    elif type(value) is property:
        value = value.fget
    return value if type(value) is types.FunctionType else None


def _alike(parts: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
    return len(parts) == len(before) and all(
        one is other or (type(one) is type(other) is str and one == other)
        for one, other in zip(parts, before, strict=True)
    )


def _is_of_library(value: Any) -> bool:
    """Whether a value of a library computes, and holds nothing: functions, classes, dtypes."""
    kind = type(value)
    if isinstance(value, type) or kind in (types.FunctionType, types.BuiltinFunctionType):
        module = getattr(value, "__module__", None)
        root = module.partition(".")[0] if type(module) is str else ""
        return (root in _ROOTS or root == "builtins") and value.__name__ not in _STATE
    if kind.__module__ in ("typing", "types"):
        return kind.__name__.lstrip("_").endswith(("Alias", "UnionType", "SpecialForm", "TypeVar"))
    return kind.__module__ in ("torch", "numpy") and kind.__name__ in ("dtype", "device", "ufunc")
