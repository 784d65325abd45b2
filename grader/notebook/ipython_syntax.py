r"""IPython's own syntax, taken out of a cell so that Python can parse the rest.

``!pip install d2l`` and ``%matplotlib inline`` become ``pass``, ``files = !ls``
becomes ``files = None``, on the same line: every statement keeps its line
number. Code behind ``%%time``, ``%%capture`` and ``%time`` is Python and stays.
One pass over the text, no IPython needed.
"""

from __future__ import annotations

import re
from textwrap import dedent

_ESCAPES = "!%?,;/"
_PYTHON_CELL_MAGICS = frozenset("capture heat memit mprun lprun prun snakeviz time timeit".split())
_STATEMENT_MAGICS = frozenset(("time",))
_CELL_MAGIC = re.compile(r"\s*%%(\w+)(?![\w?])([^\n]*)(?:\n|\Z)")
_LINE_MAGIC = re.compile(r"%(\w+)[ \t]+(?=\S)")
_NAME = re.compile(r"\s+(\w+)\s*$")
_TOKEN = re.compile(
    r"""
      (?P<string>  \"{3} [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )*+ (?:\"{3})?
                 | '{3}  [^'\\]* (?: (?: \\. | '(?!'') ) [^'\\]* )*+ (?:'{3})?
                 | " (?: [^"\\\n] | \\. )*+ "?
                 | ' (?: [^'\\\n] | \\. )*+ '? )
    | (?P<comment> \#[^\n]* )
    | (?P<joined>  \\\n )
    | (?P<newline> \n )
    | (?P<open>    [(\[{] )
    | (?P<close>   [)\]}] )
    | (?P<magic>   (?<![=!<>:+\-*/%&|^@~]) = (?!=) [ \t]* (?=[!%]) )
    """,
    re.VERBOSE | re.DOTALL,
)


def python_of(source: str) -> str:
    """Return `source` as plain Python with as many lines; cells in another language become empty.

    What is no Python and no IPython syntax either stays as it is, for the parser to report.
    """
    magic = _CELL_MAGIC.match(source)
    if magic:
        name, argument = magic[1], magic[2]
        lines_before = "\n" * magic[0].count("\n")
        if name not in _PYTHON_CELL_MAGICS:
            return "\n" * source.count("\n")
        captured = _NAME.search(argument) if name == "capture" else None
        head = f"{captured[1]} = None" if captured else ""
        return head + lines_before + python_of(source[magic.end() :])

    source = dedent(source)
    parts: list[str] = []
    position = 0
    while position < len(source):
        part, position = _logical_line(source, position)
        parts.append(part)
    return "".join(parts)


def _logical_line(source: str, start: int) -> tuple[str, int]:
    """Return the statement line that begins at `start` as Python, and where the next one begins."""
    code = _past_indent(source, start)
    if code < len(source) and source[code] in _ESCAPES:
        return _command(source, start, code)
    depth = 0
    text_end = start  # where the last string or comment ends
    for token in _TOKEN.finditer(source, start):
        kind = token.lastgroup
        if kind == "newline" and depth == 0:
            line, newline, end = source[start : token.start()], "\n", token.end()
            break
        if kind == "magic" and depth == 0:
            end = _past_command(source, token.end())
            lines = source.count("\n", token.end(), end)
            return f"{source[start : token.start()]}= None" + "\n" * lines, end
        if kind in ("string", "comment"):
            text_end = token.end()
        depth = max(0, depth + (kind == "open") - (kind == "close"))
    else:
        line, newline, end = source[start:], "", len(source)
    if line.rstrip().endswith("?") and start + len(line.rstrip()) > text_end:
        line = source[start:code] + "pass" + "\n" * line.count("\n")
    return line + newline, end


def _command(source: str, start: int, code: int) -> tuple[str, int]:
    """Return what stands for ``!command``, ``%magic`` and the like, and where the next line begins."""
    indent = source[start:code]
    statement = _LINE_MAGIC.match(source, code)
    if statement and statement[1] in _STATEMENT_MAGICS:
        line, end = _logical_line(source, statement.end())
        return indent + line, end
    end = _past_command(source, code)
    return indent + "pass" + "\n" * source.count("\n", code, end), end


def _past_indent(source: str, start: int) -> int:
    while source[start : start + 1] in (" ", "\t"):
        start += 1
    return start


def _past_command(source: str, start: int) -> int:
    """Return where the line after a command begins; a backslash carries a command over."""
    end = start
    while True:
        newline = source.find("\n", end)
        if newline < 0:
            return len(source)
        end = newline + 1
        if source[newline - 1] != "\\":
            return end
