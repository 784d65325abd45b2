"""The worked example of docs/authoring.md: its files are written and its commands run, in their order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

PAGE = Path(__file__).parents[2] / "docs" / "authoring.md"
_CWD = "\x1e"


class Block(NamedTuple):
    """A fenced block: its language, the path of a file that it shows, its text, its line."""

    language: str
    path: str | None
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    found = []
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "fence":
            language, _, more = token.info.partition(" ")
            path = more.removeprefix('title="').removesuffix('"') if more else None
            assert token.map is not None
            found.append(Block(language, path, token.content, token.map[0] + 1))
    return found


def commands(text: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with the output that is promised."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return [(command, "".join(f"{line}\n" for line in lines)) for command, lines in found]


def on_one_processor() -> None:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


def run(command: str, cwd: Path) -> tuple[str, Path]:
    """Run a command as the reader's shell does; return what it writes and where it ends up."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"{command}\nprintf '{_CWD}%s' \"$PWD\""],
        cwd=cwd,
        env={**os.environ, "PATH": path, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
        preexec_fn=on_one_processor,  # one worker: the page is about what comes out, not how fast
    )
    output, _, place = done.stdout.rpartition(_CWD)
    return output, Path(place)


def promised(expected: str, output: str) -> bool:
    """Whether the output has the words that the page shows; ``...`` stands for any, or none."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in expected.split("...")]
    return re.fullmatch(rf"\s*{'.*'.join(parts)}\s*", output, re.DOTALL) is not None


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    cwd, ran, written = tmp_path, [], []
    for block in blocks(PAGE):
        if block.path is not None:
            (cwd / block.path).write_text(block.text, "utf-8")
            written.append(block.path)
        elif block.language == "console":
            for command, expected in commands(block.text):
                output, cwd = run(command, cwd)
                assert promised(expected, output), (
                    f"{PAGE.name}:{block.line}: `{command}` writes:\n{output}"
                )
                ran.append(command.split()[:2])
    for page in ("slip/feedback.html", "index.html"):  # of a course in English alone
        html = (cwd / "reports" / "week1" / page).read_text("utf-8")
        assert html.startswith('<!doctype html>\n<html lang="en" dir="ltr">')
        assert 'id="to-fa"' not in html
    assert {"reference/week1.py", "assignments/week1/test_descent.py"} < set(written)
    assert {"new", "release", "grade", "check"} <= {c[1] for c in ran if c[0] == "grader"}


def test_a_promise_can_be_broken() -> None:
    assert promised("a  b\n...\nd\n", "a b\nc\n  d")
    assert promised("a\n...\n", "a\n")
    assert not promised("a\n...\nd\n", "a\nb\n")
    assert not promised("", "Traceback")
