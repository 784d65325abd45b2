"""What a student's notebook says, made safe to show.

Nothing here trusts its input: text is redacted and escaped, terminal control
sequences become colours or vanish, characters that reorder or hide text are
shown by name, and only pictures that cannot act are embedded.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

from markupsafe import Markup, escape

from grader.report import CellOutput
from grader.secrets import redact

# Characters that change the order of other characters or cannot be seen. The half-space U+200C
# and the joiner U+200D belong to Persian writing and stay.
_DECEPTIVE = re.compile(
    "[\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
# Marks above and below a letter, beyond what any script stacks: a tower of them paints over the
# lines around it, a verdict among them.
_STACKED = re.compile(
    "(?P<few>[\u0300-\u036f\u0483-\u0489\u0610-\u061a\u064b-\u065f\u06d6-\u06dc\u06df-\u06e4"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})(?P<more>[\u0300-\u036f\u0483-\u0489"
    "\u0610-\u061a\u064b-\u065f\u06d6-\u06dc\u06df-\u06e4\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+)"
)
_STRONG = re.compile(
    "[A-Za-z\u00c0-\u02af\u0370-\u0589\u05d0-\u05ea\u0620-\u064a\u066e-\u06d3\u06fa-\u06ff]"
)
_DIRECTION = re.compile("[\u061c\u200e\u200f\u2066-\u2069]")
_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
_ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[ -/]*[0-~]"  # two-character sequences
)
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
MAX_IMAGE_BYTES = 4 * 1024 * 1024


def reveal(text: str) -> Markup:
    """Return `text` escaped, with deceptive characters shown as their code points."""
    escaped = escape(text)
    if escaped.isascii() and not _DECEPTIVE.search(escaped):
        return escaped
    shown = _STACKED.sub(_counted, _DECEPTIVE.sub(_named, escaped))
    return Markup(shown)  # noqa: S704 - escaped above


def without_marks(text: str) -> str:
    """Return `text` without direction marks and isolates: prose that we isolate ourselves."""
    return _DIRECTION.sub("", text)


def _named(match: re.Match[str]) -> str:
    character = match[0]
    name = unicodedata.name(character, "control character").lower()
    return f'<span class="unseen" title="{name}">U+{ord(character):04X}</span>'


def _counted(match: re.Match[str]) -> str:
    marks = match["more"]
    return f'{match["few"]}<span class="unseen" title="combining marks">+{len(marks)}</span>'


def visible(text: str) -> str:
    """Return `text` for a terminal: no control sequence, deceptive characters as ``<U+202E>``."""
    plain = _overwritten(_ESCAPE.sub("", _SGR.sub("", redact(text))))
    plain = _STACKED.sub(lambda match: f"{match['few']}<+{len(match['more'])}>", plain)
    return _DECEPTIVE.sub(lambda match: f"<U+{ord(match[0]):04X}>", plain)


def is_right_to_left(line: str) -> bool:
    """Return whether the first letter of `line` is of a right-to-left script."""
    letter = _STRONG.search(line)
    return letter is not None and letter[0] > "\u0590"


def terminal_output(text: str) -> Markup:
    """Return what a program printed as HTML: ANSI colours as classes, other sequences gone.

    Progress bars that overwrite their line with carriage returns keep the last
    state. A line that begins in a right-to-left script is set from right to
    left; all others, numbers among them, from left to right.
    """
    state: dict[str, str] = {}
    lines = _overwritten(redact(text)).split("\n")
    return Markup("\n").join(_terminal_line(line, state) for line in lines)


def _terminal_line(line: str, state: dict[str, str]) -> Markup:
    pieces: list[Markup] = []
    for position, piece in enumerate(_SGR.split(line)):
        if position % 2:
            _apply(piece, state)
        elif clean := _ESCAPE.sub("", piece):
            shown = reveal(clean)
            if state:
                classes = " ".join(sorted(state.values()))
                shown = Markup('<span class="{}">{}</span>').format(classes, shown)
            pieces.append(shown)
    whole = Markup("").join(pieces)
    if is_right_to_left(_SGR.sub("", line)):
        return Markup('<bdi dir="rtl">{}</bdi>').format(whole)
    return whole


def _overwritten(text: str) -> str:
    text = text.replace("\r\n", "\n")
    if "\r" not in text:
        return text
    lines = []
    for line in text.split("\n"):
        states = [state for state in line.split("\r") if state.strip()]
        lines.append(states[-1] if states else "")
    return "\n".join(lines)


def _apply(parameters: str, state: dict[str, str]) -> None:
    """Apply one SGR sequence to `state`: bold and the eight colours; others are ignored."""
    codes = [int(code) for code in re.split("[;:]", parameters) if code.isdigit()] or [0]
    position = 0
    while position < len(codes):
        code = codes[position]
        if code == 0:
            state.clear()
        elif code == 1:
            state["weight"] = "ansi-bold"
        elif code == 22:
            state.pop("weight", None)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            state["colour"] = f"ansi-{_COLOURS[code % 10]}"
        elif code == 39:
            state.pop("colour", None)
        elif code in (38, 48):  # 38;5;n and 38;2;r;g;b
            position += {5: 2, 2: 4}.get(codes[position + 1] if position + 1 < len(codes) else 0, 0)
        position += 1


def image_source(output: CellOutput) -> str | None:
    """Return a ``data:`` address for a student's picture, or None if it is not safe to show.

    PNG and JPEG must begin as such; an SVG is only ever shown through
    ``<img>``, where it can neither run scripts nor load anything.
    """
    mime = output.mime.partition(";")[0].strip().lower()
    if mime == "image/svg+xml" and output.data.lstrip().startswith("<"):
        data = output.data.encode("utf-8", "replace")
    else:
        try:
            data = base64.b64decode("".join(output.data.split()), validate=True)
        except (binascii.Error, ValueError):
            return None
    if len(data) > MAX_IMAGE_BYTES:
        return None
    if mime == "image/svg+xml":
        genuine = b"<svg" in data[:4096]
    else:
        signature = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}.get(mime)
        genuine = signature is not None and data.startswith(signature)
    if not genuine:
        return None
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
