"""Read TOML into typed records, and say everything that is wrong with it at once.

msgspec stops at the first mistake. Here the record type is walked together with
the data first, so that a teacher sees all of them; msgspec then makes the record.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from grader.course.errors import Complaint, Problems, did_you_mean, nearest, quoted
from grader.course.rules import rule_of
from grader.course.texts import Text, latin_digits, text_complaints

T = TypeVar("T")

_TEXT = inspect.type_info(Text)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_EXCESS = re.compile(r"[\d_]{1000}|[eE][+-]?[\d_]{9}|(?:[\[{][^\[{\n]{0,40}){100}")
"""Digits, exponents and brackets that nobody writes on purpose."""


def load(file: Path, problems: Problems) -> dict[str, Any] | None:
    """Return the tables of a TOML file, its decimals exact; None if it cannot be read."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        problems.add(file, "", Complaint("this file does not exist", "create it"))
        return None
    except OSError as error:
        complaint = Complaint(f"cannot be read: {error.strerror}", "make it a readable file")
        problems.add(file, "", complaint)
        return None
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        complaint = Complaint("these bytes are not UTF-8 text", "save the file as UTF-8")
        problems.add(file, "", complaint, line=line)
        return None
    try:
        return tomllib.loads(source, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        line = int(found[1]) if found else source.count("\n") + 1
        what = str(error).partition(" (at ")[0]
        complaint = Complaint(f"not valid TOML: {what}", "look at this line and the one before it")
        problems.add(file, "", complaint, line=line)
        return None
    except (ValueError, ArithmeticError, RecursionError) as error:
        # What the grammar allows and Python does not: thousands of digits, exponents, brackets.
        problems.add(file, "", _beyond_python(error), line=_line_of_excess(source))
        return None


def _beyond_python(error: Exception) -> Complaint:
    if isinstance(error, RecursionError):
        return Complaint("values are nested too deep here", "look for brackets without their pair")
    return Complaint("a number is too long or too large here", "write a number of usual size")


def _line_of_excess(source: str) -> int | None:
    found = _EXCESS.search(source)
    return source.count("\n", 0, found.start()) + 1 if found else None


def convert(
    data: dict[str, Any],
    record: type[T],
    *,
    file: Path,
    languages: Sequence[str],
    problems: Problems,
) -> T | None:
    """Return `data` as a `record`, adding every mistake in it to `problems`.

    Parameters
    ----------
    data
        Tables of `file`, as :func:`load` returns them.
    record
        A struct type, or a dict of such. Its fields' rules
        (:mod:`grader.course.rules`) are applied, and its :data:`Text` fields
        checked for `languages`.

    Returns
    -------
    T or None
        None only when no record can be made. After lesser mistakes there still
        is one, so that the caller can look for further ones.
    """
    before = len(problems)
    cleaned = _Walk(file, languages, problems).visit(data, inspect.type_info(record), "")
    try:
        return msgspec.convert(cleaned, record)
    except msgspec.ValidationError as error:
        if len(problems) == before:
            problems.add(file, "", Complaint(str(error), "correct this value"))
        return None


def dotted(parent: str, key: str) -> str:
    """Return the path of `key` inside the table `parent`, quoted where TOML needs it."""
    shown = key if _BARE_KEY.fullmatch(key) else f'"{key}"'
    return f"{parent}.{shown}" if parent else shown


class _Walk:
    """Walks data and type together; returns the data without what is not known."""

    def __init__(self, file: Path, languages: Sequence[str], problems: Problems) -> None:
        self.file = file
        self.languages = languages
        self.problems = problems

    def complain(self, key: str, problem: str, remedy: str) -> None:
        self.problems.add(self.file, key, Complaint(problem, remedy))

    def visit(self, value: Any, node: inspect.Type, key: str) -> Any:
        if node == _TEXT:
            return self.text(value, key)
        match node:
            case inspect.Metadata(type=inner, extra=extra):
                before = len(self.problems)
                cleaned = self.visit(value, inner, key)
                rule = rule_of(extra)
                if rule and len(self.problems) == before and (complaint := rule(cleaned)):
                    self.problems.add(self.file, key, complaint)
                return cleaned
            case inspect.StructType():
                return self.table(value, node, key)
            case inspect.UnionType():
                return self.one_of(value, node, key)
            case inspect.DictType(key_type=key_type, value_type=value_type):
                return self.named(value, key_type, value_type, key)
            case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
                if not isinstance(value, list):
                    return self.wrong_type(value, "a list", key)
                return [self.visit(each, item, f"{key}[{i}]") for i, each in enumerate(value)]
            case inspect.LiteralType(values=values):
                if value not in values:
                    problem = f"{_shown(value)} is not possible here"
                    known = [str(each) for each in values]
                    self.complain(key, problem, did_you_mean(str(value), known))
                return value
            case _:
                return self.single(value, node, key)

    def text(self, value: Any, key: str) -> Any:
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            example = ", ".join(f'{code} = "…"' for code in self.languages)
            found = _kind(value)
            self.complain(key, f"expected a text, found {found}", f"write {{ {example} }}")
            return value
        for code, complaint in text_complaints(value, self.languages):
            self.problems.add(self.file, dotted(key, code), complaint)
        return value

    def table(self, value: Any, node: inspect.StructType, key: str) -> Any:
        if not isinstance(value, dict):
            return self.wrong_type(value, "a table", key)
        fields = {field.encode_name: field for field in node.fields}
        cleaned: dict[str, Any] = {}
        for name, item in value.items():
            if name == node.tag_field:
                cleaned[name] = item
                continue
            meant: str | None = name
            if name not in fields:
                free = [known for known in fields if known not in value]
                meant = nearest(name, free)
                remedy = f"did you mean {meant}?" if meant else _known(list(fields))
                self.complain(dotted(key, name), "unknown key", remedy)
            if meant and meant not in cleaned:
                cleaned[meant] = self.visit(item, fields[meant].type, dotted(key, name))
        for name, field in fields.items():
            if field.required and name not in cleaned:
                self.complain(dotted(key, name), "this key is missing", f"add {name} = …")
        return cleaned

    def one_of(self, value: Any, node: inspect.UnionType, key: str) -> Any:
        choices = [each for each in node.types if not isinstance(each, inspect.NoneType)]
        if len(choices) == 1:
            return self.visit(value, choices[0], key)
        tagged = {each.tag: each for each in choices if isinstance(each, inspect.StructType)}
        if not isinstance(value, dict):
            return self.wrong_type(value, "a table", key)
        field = next(each.tag_field for each in tagged.values() if each.tag_field)
        names = [str(tag) for tag in tagged]
        if field not in value:
            self.complain(dotted(key, field), "this key is missing", f"add one of {quoted(names)}")
            return value
        tag = value[field]
        if not isinstance(tag, str) or tag not in tagged:
            problem = f"{_shown(tag)} is not possible here"
            self.complain(dotted(key, field), problem, did_you_mean(str(tag), names))
            return value
        return self.table(value, tagged[tag], key)

    def named(self, value: Any, key_type: inspect.Type, item: inspect.Type, key: str) -> Any:
        if not isinstance(value, dict):
            return self.wrong_type(value, "a table", key)
        cleaned = {}
        for name, each in value.items():
            place = dotted(key, name)
            self.visit(name, key_type, place)
            cleaned[name] = self.visit(each, item, place)
        return cleaned

    def single(self, value: Any, node: inspect.Type, key: str) -> Any:
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        match node:
            case inspect.StrType():
                return value if isinstance(value, str) else self.wrong_type(value, "text", key)
            case inspect.BoolType():
                right = isinstance(value, bool)
                return value if right else self.wrong_type(value, "true or false", key)
            case inspect.IntType():
                right = number and isinstance(value, int)
                return value if right else self.wrong_type(value, "a whole number", key)
            case inspect.FloatType() | inspect.DecimalType():
                if number and isinstance(value, Decimal) and not value.is_finite():
                    self.complain(key, f"{value} is not a number", "write a finite number")
                    return Decimal(0)
                return value if number else self.wrong_type(value, "a number", key)
            case _:
                raise TypeError(f"{self.file.name}: {key}: no rule reads {node}")

    def wrong_type(self, value: Any, expected: str, key: str) -> Any:
        self.complain(key, f"expected {expected}, found {_kind(value)}", _remedy(value, expected))
        return value


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case Decimal():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a table"
        case dt.date() | dt.time():
            return "a date or time"
        case _:
            return type(value).__name__


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _known(names: list[str]) -> str:
    return "known keys here: " + ", ".join(names) if names else "no key is known here: remove it"


def _remedy(value: Any, expected: str) -> str:
    if expected == "text":
        return f'put it in quotes: "{value}"' if not isinstance(value, list | dict) else 'write "…"'
    if isinstance(value, str) and expected in {"a number", "a whole number"}:
        digits = latin_digits(value).strip()
        if re.fullmatch(r"\d+(\.\d+)?", digits):
            return f"write it without quotes: {digits}"
        return f"write {expected}, without quotes"
    if isinstance(value, dict) and expected == "a list":
        return "write [[double brackets]] around the name of each table, or [ … ] for a list"
    if expected == "a list":
        return "write [ … ]"
    if expected == "a table":
        return "write a [table] or { … }"
    return f"write {expected}"
