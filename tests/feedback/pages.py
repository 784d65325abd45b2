"""A page as a strict reader sees it: its elements in order, properly nested, and its words."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "input", "img", "br", "hr", "link"}
SILENT = {"style", "script", "title"}


class Page(HTMLParser):
    """Reads HTML; an element that is not closed where it should be is an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._said: list[str] = []
        self.styles: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        assert len(given) == len(attrs), f"an attribute twice in <{tag}>: {attrs}"
        self.elements.append((tag, given))
        if tag not in VOID:
            self._open.append((tag, given))
        if tag in (
            "p",
            "div",
            "td",
            "li",
            "dt",
            "dd",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "tr",
            "summary",
            "br",
        ):
            self._said.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        inside = self._open[-1][0] if self._open else ""
        if inside == "style":
            self.styles.append(data)
        elif inside == "script":
            self.scripts.append(data)
        if inside not in SILENT:
            self._said.append(data)

    @property
    def text(self) -> str:
        """All that can be read, blanks made one."""
        return re.sub(r"\s+", " ", "".join(self._said))

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """The attributes of all elements with that tag whose attributes hold these words."""
        return [
            given
            for name, given in self.elements
            if name == tag
            and all(
                set(words.split()) <= set(given.get(key.rstrip("_"), "").split())
                for key, words in wanted.items()
            )
        ]

    @property
    def ids(self) -> list[str]:
        return [given["id"] for _, given in self.elements if "id" in given]
