"""Sentences set as HTML: `code`, $formulas$, and Latin runs isolated in Persian text."""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from xml.etree.ElementTree import Element

from markupsafe import Markup, escape

from grader.feedback.untrusted import reveal, without_marks
from grader.secrets import redact

FORMULA = re.compile(r"\$(?P<formula>(?![\s\d.,]+(?:\s|$))[^\s$](?:[^$\n]{0,300}[^\s$])?)\$(?!\d)")
"""A formula between dollar signs; prices such as "$5 and $6" are none."""

_INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|(?P<isolate>[\u2066-\u2068])(?P<isolated>[^\u2066-\u2069\n`]*)\u2069"
    rf"|{FORMULA.pattern}"
)

_UNBROKEN = 28  # code up to this length is kept on one line

# A Latin run: words, calls and formulas such as dL/dW, (4, 3), conv2d(X, W) or "max pool 2x2".
_WORD = r"\.?[A-Za-z_][\w./\-+*^=<>:@#'\[\]]*(?:\([^()\u0600-\u06ff]{0,80}\))?"
_LATIN = re.compile(rf"{_WORD}(?: {_WORD})*", re.ASCII)

MATHML_TAGS = frozenset(
    "math mrow mi mn mo mtext mspace msqrt mroot mfrac msub msup msubsup munder mover munderover "
    "mtable mtr mtd mstyle mpadded mphantom menclose".split()
)
MATHML_ATTRIBUTES = frozenset(
    "display mathvariant stretchy fence separator form accent accentunder linethickness lspace "
    "rspace width height depth columnalign rowspacing columnspacing displaystyle scriptlevel "
    "minsize maxsize movablelimits".split()
)


@lru_cache(maxsize=4096)
def set_inline(sentence: str, *, isolate: bool) -> Markup:
    r"""Return `sentence` as HTML.

    A sentence may quote a student: secrets are redacted and everything is escaped. ``\`dW\``` becomes code, ``$\\alpha$`` MathML, both
    left to right. With `isolate`, as in right-to-left prose, runs of Latin
    letters are isolated so that their brackets and slashes stay in place;
    Unicode isolates that are there already become elements.
    """
    sentence = redact(sentence)
    pieces: list[Markup] = []
    end = 0
    for match in _INLINE.finditer(sentence):
        pieces.append(_plain(sentence[end : match.start()], isolate))
        if code := match["code"]:
            width = "short" if len(code) <= _UNBROKEN else "long"
            piece = Markup('<code dir="ltr" class="{}">{}</code>').format(width, reveal(code))
            pieces.append(piece)
        elif isolate_mark := match["isolate"]:
            direction = {"\u2066": "ltr", "\u2067": "rtl", "\u2068": "auto"}[isolate_mark]
            inner = reveal(without_marks(match["isolated"]))
            pieces.append(Markup('<bdi dir="{}">{}</bdi>').format(direction, inner))
        else:
            pieces.append(formula(match["formula"]))
        end = match.end()
    pieces.append(_plain(sentence[end:], isolate))
    return Markup("").join(pieces)


def _plain(text: str, isolate: bool) -> Markup:
    text = without_marks(text)
    if not isolate:
        return reveal(text)
    pieces: list[Markup] = []
    end = 0
    for match in _LATIN.finditer(text):
        run = match[0].rstrip(".:'=<>-")
        stop = match.start() + len(run)
        pieces.append(reveal(text[end : match.start()]))
        pieces.append(Markup('<bdi dir="ltr">{}</bdi>').format(reveal(run)))
        end = stop
    pieces.append(reveal(text[end:]))
    return Markup("").join(pieces)


def formula(latex: str) -> Markup:
    """Return a LaTeX formula as MathML; one that cannot be set is shown as code.

    The converter escapes nothing and makes links, so that its result is rebuilt
    from the elements and attributes of presentation MathML alone.
    """
    from latex2mathml.converter import convert_to_element  # takes its time; few sheets have any

    try:
        return _rebuilt(convert_to_element(latex))
    except Exception:  # noqa: BLE001 - the converter raises many kinds for many kinds of bad LaTeX
        return Markup('<code dir="ltr">{}</code>').format(reveal(latex))


class _NotMathML(ValueError):
    """Something that presentation MathML does not have."""


def _letters(text: str | None) -> Markup:
    plain = unescape(text or "")
    if reveal(plain) != escape(plain):
        raise _NotMathML("deceptive characters")
    return escape(plain)


def _rebuilt(element: Element) -> Markup:
    if element.tag not in MATHML_TAGS:
        raise _NotMathML(element.tag)
    attributes = Markup("").join(
        Markup(' {}="{}"').format(name, value)
        for name, value in element.attrib.items()
        if name in MATHML_ATTRIBUTES
    )
    inner = [_letters(element.text)]
    for child in element:
        inner += [_rebuilt(child), _letters(child.tail)]
    return Markup("<{0}{1}>{2}</{0}>").format(element.tag, attributes, Markup("").join(inner))
