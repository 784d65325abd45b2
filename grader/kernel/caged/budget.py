"""How much a cell may publish: bytes of output, and messages."""

from __future__ import annotations

import builtins
from typing import Any, Final

# Student code may replace builtins; these functions keep the ones of now.
globals()["__builtins__"] = dict(vars(builtins))

import msgspec  # noqa: E402

OUTPUTS: Final = frozenset(
    "stream display_data update_display_data execute_result error clear_output".split()
)
"""Kinds of messages that count."""
BYTES_PER_MESSAGE: Final = 256
"""A budget of bytes allows one message for each so many; printed text counts by bytes alone."""
MAX_ERRORS: Final = 100
MAX_ERROR_TEXT: Final = 100_000

_encode = msgspec.msgpack.Encoder(enc_hook=lambda value: "").encode


class Budget:
    """The budget of one cell after another.

    Parameters
    ----------
    bytes_
        Most bytes that one cell may publish.
    """

    def __init__(self, bytes_: int) -> None:
        self.bytes = bytes_
        self.start_cell()

    def start_cell(self) -> None:
        """Begin with a full budget."""
        self._left = self.bytes
        self._messages = 1 + self.bytes // BYTES_PER_MESSAGE
        self._errors = MAX_ERRORS
        self._told = False

    def just_spent(self) -> bool:
        """Tell once for each cell that its budget is spent."""
        if self._left >= 0 or self._told:
            return False
        self._told = True
        return True

    def admit(self, kind: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """Return what may be published of a message, None when nothing may.

        Text is cut where the budget ends, anything else is dropped whole. The
        error that ends a cell is told even when its output has spent everything.
        """
        if kind == "error":
            self._errors -= 1
            return None if self._errors < 0 else _short(content)
        if self._left < 0:
            return None
        if kind == "stream":
            text = content["text"].encode("utf-8", "replace")
            whole = len(text) <= self._left
            text = text[: self._left]
            self._left = self._left - len(text) if whole else -1
            return {**content, "text": text.decode("utf-8", "ignore")} if text else None
        self._left -= _size(content)
        self._messages -= 1
        if self._left < 0 or self._messages < 0:
            self._left = -1
            return None
        return content


def _size(content: Any) -> int:
    try:
        return len(_encode(content))
    except (ValueError, OverflowError, TypeError, RecursionError):
        return len(repr(content))


def _short(content: dict[str, Any]) -> dict[str, Any]:
    lines: list[str] = []
    left = MAX_ERROR_TEXT
    for line in content.get("traceback", ()):
        line = str(line)[:left]
        lines.append(line)
        left -= len(line)
        if left <= 0:
            break
    ename, evalue = str(content.get("ename", ""))[:200], str(content.get("evalue", ""))[:10_000]
    return {**content, "ename": ename, "evalue": evalue, "traceback": lines}
