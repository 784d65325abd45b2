"""Jupyter's messages, as a hostile kernel may send them: checked before nbclient sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from nbclient.exceptions import DeadKernelError

from grader.kernel.caged.budget import BYTES_PER_MESSAGE

FLOOD_FACTOR: Final = 4
"""A cell may send this many times its budget of output before it is ended."""
MAX_BUNDLE: Final = 50
_MAX_JSON_DEPTH: Final = 32

_Text = Annotated[str, msgspec.Meta(max_length=1 << 26)]


class _Stream(msgspec.Struct):
    name: Literal["stdout", "stderr"]
    text: _Text


class _Transient(msgspec.Struct, frozen=True):
    display_id: str | None = None


class _Data(msgspec.Struct):
    data: Annotated[dict[str, Any], msgspec.Meta(max_length=MAX_BUNDLE)]
    transient: _Transient = _Transient()
    execution_count: int | None = None


class _Error(msgspec.Struct):
    ename: _Text
    evalue: _Text
    traceback: list[_Text]


class _Clear(msgspec.Struct):
    wait: bool = False


class _Reply(msgspec.Struct):
    status: Literal["ok", "error"]
    execution_count: int
    ename: str = ""
    evalue: str = ""


_CONTENTS: Final[dict[str, type[msgspec.Struct]]] = {
    "stream": _Stream,
    "display_data": _Data,
    "update_display_data": _Data,
    "execute_result": _Data,
    "error": _Error,
    "clear_output": _Clear,
    "execute_reply": _Reply,
}


class OutputFlood(DeadKernelError):
    """A cell wrote far more than it may, past its own budget."""


def flood_limits(output_bytes: int) -> tuple[int, int]:
    """Bytes and messages that a cell may send before it is ended, for its budget of output.

    Whoever keeps to the budget sends less; errors are told beside it, and printed
    text comes in messages of a tenth of a second or 64 KiB.
    """
    most_messages = FLOOD_FACTOR * (output_bytes // BYTES_PER_MESSAGE + 1000)
    return FLOOD_FACTOR * output_bytes + (16 << 20), most_messages


def checked_content(kind: str, content: Any) -> dict[str, Any]:
    """Return `content` with nothing in it but what a message of this kind holds.

    Raises
    ------
    ValueError
        If it is no such message.
    """
    if kind not in _CONTENTS:
        raise ValueError(f"no message of kind {kind[:40]}")
    try:
        checked: dict[str, Any] = msgspec.to_builtins(msgspec.convert(content, _CONTENTS[kind]))
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error
    if "data" in checked:
        checked["data"] = _plain_bundle(checked["data"])
        checked["metadata"] = {}
    return checked


def error_of(reply: Mapping[str, Any]) -> str | None:
    """Type and message of the exception that ended a cell, from the kernel's reply."""
    if reply["status"] == "ok":
        return None
    return f"{reply.get('ename', '')}: {reply.get('evalue', '')}"[:500]


def _plain_bundle(data: dict[str, Any]) -> dict[str, Any]:
    """Keep of a MIME bundle what nbformat allows: text, and JSON where the type says JSON."""
    return {
        mime: value
        for mime, value in data.items()
        if isinstance(value, str)
        or ((mime == "application/json" or mime.endswith("+json")) and _is_json(value))
    }


def _is_json(value: Any, depth: int = 0) -> bool:
    if depth > _MAX_JSON_DEPTH:
        return False
    if isinstance(value, dict):
        return all(
            isinstance(key, str) and _is_json(item, depth + 1) for key, item in value.items()
        )
    if isinstance(value, list):
        return all(_is_json(item, depth + 1) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
