"""From the bytes of a file to the JSON inside: encodings, small damage, and what it is instead.

The quick path hands sound UTF-8 JSON to msgspec. Only a file that msgspec
refuses is looked at patiently, step by step; what was done is told as findings.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

import msgspec

from grader.notebook.findings import Finding, Unreadable
from grader.notebook.lookalikes import other_format, other_text

MAX_VALUES = {b"[": 500_000, b"{": 200_000, b":": 500_000, b",": 3_000_000}
"""Lists, objects, keys and values in one file; more is an attack on memory, not a notebook."""

_MAX_DIGITS = 300

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+"?)|,(?=\s*[\]}])', re.DOTALL)
CONFLICT_START = re.compile(r"^<{7}(?: |$)", re.MULTILINE)
CONFLICT_END = re.compile(r"^>{7}(?: |$)", re.MULTILINE)
_CONFLICT_LINE = re.compile(r"^(<{7}|\|{7}|={7}|>{7}).*\n?", re.MULTILINE)
_SIDES = {"<": "ours", "|": "base", "=": "theirs", ">": None}


def parse(data: bytes) -> tuple[Any, list[Finding]]:
    """Return the JSON value in `data`, and what had to be repaired to read it.

    Raises
    ------
    Unreadable
        If there is no JSON in `data`; the finding names what it is instead.
    """
    if _is_too_complex(data):
        raise Unreadable(Finding("too-complex"))
    try:
        return msgspec.json.decode(data), []
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _parse_patiently(data)


def _is_too_complex(data: bytes) -> bool:
    """Tell whether there are more values in `data` than is good for us; text may have any signs."""
    for mark, limit in MAX_VALUES.items():
        signs = data.count(mark) if len(data) > limit else 0
        if signs > limit:
            in_text = sum(string[0].count(mark) for string in _STRING.finditer(data))
            if signs - in_text > limit:
                return True
    return False


def _parse_patiently(data: bytes) -> tuple[Any, list[Finding]]:
    if not data.strip(b"\0 \t\r\n\v\f"):
        raise Unreadable(Finding("empty-file"))
    if instead := other_format(data):
        raise Unreadable(instead)
    text, findings = _decode(data)
    text = text.strip("\0 \t\r\n\v\f\ufeff")
    if not text:
        raise Unreadable(Finding("empty-file"))
    try:
        return _loads(text), findings
    except ValueError as error:
        problem = error
    if (resolved := _resolve_conflicts(text)) is not None:
        value, finding = resolved
        return value, [*findings, finding]
    if instead := other_text(text):
        raise Unreadable(instead)
    try:
        value = _loads(_TRAILING_COMMA.sub(r"\1", text))
    except ValueError:
        raise Unreadable(_broken_json(text, problem)) from None
    return value, [*findings, Finding("json-repaired")]


def _decode(data: bytes) -> tuple[str, list[Finding]]:
    """Return the text of `data` and, unless it was UTF-8, a finding that says how it was read."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            text = data[len(mark) :].decode(encoding, "replace")
            return text, [] if encoding == "utf-8" else [_encoding(encoding[:6].upper())]
    if b"\0" in data[:4] and b"\0" in data[:-1].rstrip(b"\0"):
        # No byte order mark: the zero bytes of "{" and the character after it tell the order.
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
        return data.decode(encoding, "replace"), [_encoding("UTF-16")]
    try:
        return data.decode(), []
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    lost = text.count("\ufffd")
    kept = len(text) - len(text.encode("ascii", "ignore")) - lost
    if lost > kept:
        # Persian Windows, "Save as ANSI".
        return data.decode("cp1256"), [_encoding("Windows-1256")]
    return text, [Finding("bytes-replaced", {"count": lost})]


def _encoding(name: str) -> Finding:
    return Finding("encoding-converted", {"encoding": name})


def _loads(text: str) -> Any:
    """Return the first JSON value of `text`; NaN and control characters in strings are let pass."""
    try:
        value, end = json.JSONDecoder(strict=False, parse_int=_integer).raw_decode(text)
    except RecursionError:
        raise Unreadable(Finding("too-deep")) from None
    if text[end:].strip("\0 \t\r\n"):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def _resolve_conflicts(text: str) -> tuple[Any, Finding] | None:
    """Return the notebook of one side of a git merge conflict, the upper one if it is sound.

    Raises
    ------
    Unreadable
        If there are conflict markers and neither side alone is JSON.
    """
    start = CONFLICT_START.search(text)
    if start is None or not CONFLICT_END.search(text):
        return None
    for side in ("ours", "theirs"):
        try:
            value = _loads(_one_side(text, side))
        except ValueError:
            continue
        count = sum(1 for _ in CONFLICT_START.finditer(text))
        return value, Finding(f"conflict-resolved-{side}", {"count": count})
    raise Unreadable(
        Finding("conflict-unresolved", {"line": text.count("\n", 0, start.start()) + 1})
    )


def _one_side(text: str, side: str) -> str:
    """Return `text` with every conflict decided for `side`, ``ours`` (above) or ``theirs``."""
    kept: list[str] = []
    current: str | None = None
    begin = 0
    for marker in _CONFLICT_LINE.finditer(text):
        if current is None and marker[1] != "<<<<<<<":
            continue  # a line of signs outside of any conflict
        if current in (None, side) and begin < marker.start():
            kept.append(text[begin : marker.start()])
        current, begin = _SIDES[marker[1][0]], marker.end()
    return "".join([*kept, text[begin:]])


def _broken_json(text: str, problem: ValueError) -> Finding:
    if not isinstance(problem, json.JSONDecodeError):
        return Finding("not-json", {"line": 1, "column": 1})
    unfinished = problem.pos >= len(text) - 1 or problem.msg.startswith("Unterminated string")
    if unfinished and text[0] == "{":
        return Finding("truncated", {"size": max(0.1, round(len(text) / 1024, 1))})
    return Finding("not-json", {"line": problem.lineno, "column": problem.colno})
