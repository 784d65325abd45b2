"""Student code that tampers with everything in its reach changes no verdict, for better or worse."""

from __future__ import annotations

import pytest

from tests.desk import Desk

PATCHES = {
    "numpy.testing": """
import numpy.testing
for name in dir(numpy.testing):
    if name.startswith("assert"):
        setattr(numpy.testing, name, lambda *a, **k: None)
""",
    "numpy.allclose": """
np.allclose = np.isclose = np.array_equal = np.array_equiv = lambda *a, **k: True
np.asarray = np.array = np.ascontiguousarray = lambda *a, **k: [[0.0]]
""",
    "builtins": """
import builtins
builtins.abs = builtins.max = builtins.min = builtins.sum = lambda *a, **k: 0
builtins.all = builtins.any = lambda *a: True
builtins.round = builtins.sorted = lambda *a, **k: a[0]
""",
    "builtins that IPython itself needs": """
import builtins
builtins.isinstance = builtins.issubclass = lambda *a: True
builtins.type = lambda *a: int
builtins.len = lambda x: 3
""",
    "msgspec": """
import msgspec, msgspec.msgpack, msgspec.json
msgspec.msgpack.encode = msgspec.json.encode = lambda *a, **k: b""
msgspec.msgpack.Encoder = msgspec.msgpack.Decoder = None
msgspec.msgpack.Ext = None
""",
    "the agent": """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith("caged"):
        for key in ("pack", "unpack", "send_frame", "receive_frame", "describe", "Description", "WireError"):
            if hasattr(module, key):
                setattr(module, key, lambda *a, **k: b"")
""",
    "torch": """
torch.equal = torch.allclose = torch.isclose = lambda *a, **k: True
torch.Tensor.__eq__ = lambda self, other: True
""",
}
ALWAYS_EQUAL = """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __sub__(self, other): return 0.0
    __rsub__ = __add__ = __radd__ = __mul__ = __sub__
    def __abs__(self): return 0.0
    def __float__(self): return 0.0
    def __hash__(self): return 0
    def __bool__(self): return True
"""
WRONG = "total = row_sums(M) + 0.25\nscaled = total * 3"
RIGHT = "total = row_sums(M)\nscaled = scale(total, 2.0)"


@pytest.mark.parametrize("patched", PATCHES)
def test_patching_a_library_does_not_make_a_wrong_answer_right(warmup: Desk, patched: str) -> None:
    checks = warmup.solution(values=WRONG, choice=PATCHES[patched])
    assert checks["test_row_sums"].points == checks["test_scaled"].points == 0


@pytest.mark.parametrize("patched", ["numpy.testing", "builtins", "msgspec", "torch"])
def test_patching_a_library_does_not_make_a_right_answer_wrong(warmup: Desk, patched: str) -> None:
    checks = warmup.solution(values=RIGHT, choice='activation = "relu"\n' + PATCHES[patched])
    for name in ("test_row_sums", "test_scaled", "test_choice"):
        assert checks[name].verdict == "passed", name


def test_an_object_that_equals_everything_is_no_answer(warmup: Desk) -> None:
    checks = warmup.solution(values=ALWAYS_EQUAL + "total = Equal()\nscaled = Equal()")
    assert checks["test_row_sums"].verdict != "passed"
    assert checks["test_row_sums"].points == 0


def test_a_list_of_objects_that_equal_everything_is_no_answer(warmup: Desk) -> None:
    checks = warmup.solution(values=ALWAYS_EQUAL + "total = [Equal()] * 3\nscaled = total")
    assert checks["test_row_sums"].points == 0


def test_an_array_subclass_is_compared_by_its_numbers(warmup: Desk) -> None:
    subclass = """
class Liar(np.ndarray):
    def __eq__(self, other): return np.True_
    def __sub__(self, other): return np.zeros(3)
    def __array__(self, *a, **k): return np.array([7.875, 18.3125, 8.125])
    def __array_ufunc__(self, *a, **k): return np.zeros(3)
    def __array_function__(self, *a, **k): return np.True_
    @property
    def shape(self): return (3,)
    def tobytes(self, *a): return np.array([7.875, 18.3125, 8.125]).tobytes()
    def astype(self, *a, **k): return np.array([7.875, 18.3125, 8.125])
"""
    wrong = subclass + "total = np.zeros(3).view(Liar)\nscaled = total"
    right = subclass + "total = row_sums(M).view(Liar)\nscaled = 2 * row_sums(M)"
    assert warmup.solution(values=wrong)["test_row_sums"].points == 0
    assert warmup.solution(values=right)["test_row_sums"].verdict == "passed"


def test_a_float_subclass_that_lies_is_read_as_what_it_is(warmup: Desk) -> None:
    lying = """
class Liar(float):
    def __float__(self): return 18.3125
    def __eq__(self, other): return True
total = [Liar(0.0), Liar(0.0), Liar(0.0)]
scaled = total
"""
    assert warmup.solution(values=lying)["test_row_sums"].points == 0


def test_writing_to_every_open_descriptor_forges_nothing(warmup: Desk) -> None:
    flood = """
import os
for fd in range(3, 64):
    try:
        os.write(fd, b"\\x00" * 8 + b"\\x93\\xa5reply\\xa7publish\\x80")
    except OSError:
        pass
"""
    checks = warmup.solution(choice=flood)
    assert checks["test_choice"].points == 0
    again = warmup.solution()
    assert {c.verdict for c in again.values()} == {"passed"}


def test_a_function_cannot_mutate_what_it_is_asked_with(warmup: Desk) -> None:
    mutating = """
def row_sums(M):
    return M.sum(axis=1)
def scale(v, factor):
    v[:] = 0
    return v
"""
    checks = warmup.solution(numbers=mutating)
    assert checks["test_scale_function"].verdict == "failed"


def test_nan_equals_nothing(warmup: Desk) -> None:
    checks = warmup.solution(values="total = np.full(3, np.nan)\nscaled = total")
    assert checks["test_row_sums"].verdict == "failed"
    assert checks["test_scaled"].verdict == "failed"
