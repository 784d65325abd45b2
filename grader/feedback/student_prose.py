"""A student's prose answer, written in Markdown with formulas, as safe HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from grader.feedback.prose import FORMULA, MATHML_ATTRIBUTES, MATHML_TAGS, formula
from grader.feedback.untrusted import reveal
from grader.secrets import redact

_TAGS = frozenset(
    "p br em strong del code pre blockquote ul ol li table thead tbody tr th td hr span bdi".split()
)
_HEADING = re.compile(r"<(/?)h[1-6]>")


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=_Renderer)
    markdown.enable(["table", "strikethrough"]).disable(["image", "link", "autolink"])
    return markdown


class _Renderer(RendererHTML):
    """markdown-it's renderer, with formulas set and deceptive characters shown."""

    def text(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        content = tokens[idx].content
        pieces: list[Markup] = []
        end = 0
        for match in FORMULA.finditer(content):
            pieces += [reveal(content[end : match.start()]), formula(match["formula"])]
            end = match.end()
        pieces.append(reveal(content[end:]))
        return Markup("").join(pieces)

    def code_inline(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        return f"<code>{reveal(tokens[idx].content)}</code>"

    def code_block(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        return f"<pre><code>{reveal(tokens[idx].content)}</code></pre>"

    def fence(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        return self.code_block(tokens, idx)


def student_prose(text: str) -> Markup:
    """Return a prose answer as HTML.

    Markdown's emphasis, lists, tables and code are set, formulas become MathML
    and headings bold paragraphs, since the card's outline is not the student's.
    Links and pictures stay text: nothing in a card leads where a student
    points. Secrets are redacted, and whatever is not on the list of allowed
    elements is dropped by the sanitiser.
    """
    raw = _markdown().render(redact(text))
    raw = _HEADING.sub(lambda tag: "</strong></p>" if tag[1] else "<p><strong>", raw)
    clean = nh3.clean(
        raw,
        tags=set(_TAGS | MATHML_TAGS),
        attributes={
            "span": {"class", "title"},
            **{tag: set(MATHML_ATTRIBUTES) for tag in MATHML_TAGS},
        },
        link_rel=None,
    )
    return Markup(clean)  # noqa: S704 - sanitised
