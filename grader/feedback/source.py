"""A cell's code, coloured line by line, with nothing in it hidden.

One regular expression finds what a reader looks for: comments, strings,
keywords, definitions. On a homework of 600 lines that takes a tenth of the time
of a full lexer, and no source, however broken, is an error.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from markupsafe import Markup, escape

from grader.feedback.untrusted import reveal
from grader.secrets import redact

_TOKEN = re.compile(
    r"""
      (?P<comment> \#[^\n]* )
    | (?P<string> [rbufRBUF]{0,2} (?:
          \"{3} (?: [^"\\] | \\. | "(?!"") )* (?: \"{3} | \Z )
        | '{3} (?: [^'\\] | \\. | '(?!'') )* (?: '{3} | \Z )
        | " (?: [^"\\\n] | \\. )* "?
        | ' (?: [^'\\\n] | \\. )* '?
      ) )
    | (?P<magic> ^ [ \t]* (?: %{1,2}[A-Za-z] | ! ) [^\n]* )
    | (?P<decorator> ^ [ \t]* @ [\w.]+ )
    | (?P<word> [^\W\d]\w* )
    | (?P<number> \.?\d (?: [\w.] | (?<=[eE])[+-] )* )
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_WORDS = {name: "builtin" for name in dir(builtins) if name[0] != "_"}
_WORDS |= dict.fromkeys((*keyword.kwlist, "match", "case"), "keyword")
_CLASSES = {  # short, as in Pygments' style sheets: a card has thousands of them
    "comment": "c", "string": "s", "keyword": "k", "number": "m", "definition": "nf",
    "builtin": "nb", "decorator": "nd", "magic": "magic",
}  # fmt: skip
_DEFINING = frozenset({"def", "class"})

# Two neighbouring strings in Persian would change places if their letters were not isolated.
_LETTER = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]"
_RIGHT_TO_LEFT = re.compile(rf"{_LETTER}(?:.*{_LETTER})?")


@lru_cache(maxsize=512)
def highlighted_lines(source: str) -> tuple[Markup, ...]:
    """Return `source` as one piece of HTML per line, coloured as Python.

    Secrets are redacted, everything is escaped, and characters that could
    make code read otherwise than it runs are shown as their code points.
    """
    lines: list[list[str]] = [[]]
    text = redact(source.replace("\r\n", "\n").replace("\r", "\n"))
    for kind, value in _tokens(text):
        for position, piece in enumerate(value.split("\n")):
            if position:
                lines.append([])
            if piece:
                shown = _isolated(piece)
                if kind is not None:
                    shown = f'<span class="{_CLASSES[kind]}">{shown}</span>'
                lines[-1].append(shown)
    while len(lines) > 1 and not lines[-1]:
        lines.pop()
    return tuple(Markup("".join(line)) for line in lines)  # noqa: S704 - escaped piece by piece


def _tokens(text: str) -> Iterator[tuple[str | None, str]]:
    """Yield kind and text of all of `text`; what needs no colour has no kind."""
    end = 0
    defined = False
    for match in _TOKEN.finditer(text):
        kind, value = match.lastgroup, match[0]
        if kind == "word":
            kind = "definition" if defined else _WORDS.get(value)
            defined = value in _DEFINING
            if kind is None or (
                kind == "builtin" and text[match.start() - 1 : match.start()] == "."
            ):
                continue
        if match.start() > end:
            yield None, text[end : match.start()]
        yield kind, value
        end = match.end()
    yield None, text[end:]


def _isolated(piece: str) -> str:
    letters = _RIGHT_TO_LEFT.search(piece)
    if letters is None:
        return str(reveal(piece))
    before, after = piece[: letters.start()], piece[letters.end() :]
    return f'{reveal(before)}<bdi dir="auto">{reveal(letters[0])}</bdi>{reveal(after)}'


def highlighted(source: str, marked: Collection[int] = (), mark_label: str = "") -> Markup:
    """Return `source` as numbered lines of HTML; the lines in `marked`, from 1, stand out."""
    label = f'<span class="vh"> ({escape(mark_label)})</span>'
    return Markup(  # noqa: S704 - lines of HTML
        "".join(
            f'<span class="marked">{line}{label}\n</span>'
            if number in marked
            else f"<span>{line}\n</span>"
            for number, line in enumerate(highlighted_lines(source), 1)
        )
    )


def one_line(source: str) -> Markup:
    """Return a short piece of code, coloured, without line numbers."""
    return Markup("\n").join(highlighted_lines(source))
