"""Files that are called notebooks and are something else.

Each is told apart by what it begins with, and answered with what the student
should do about it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from grader.notebook.findings import Finding

_MAGIC_NUMBERS = (
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP"),
    (b"PK\x05\x06", "ZIP"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x89PNG\r\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"\xd0\xcf\x11\xe0", "Microsoft Office"),
    (b"SQLite format 3", "SQLite"),
    (b"\x89HDF\r\n", "HDF5"),
    (b"\x93NUMPY", "NumPy"),
    (b"\x7fELF", "ELF"),
)
_OFFICE = ((b"word/", "Word"), (b"xl/", "Excel"), (b"ppt/", "PowerPoint"))
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_LINK = re.compile(r"https?://[^\s\"'<>]+")
_SHORTCUT = re.compile(
    r"\s*(?:\[InternetShortcut\]|\[Desktop Entry\]|<\?xml[^>]*>.*<plist|https?://)",
    re.IGNORECASE | re.DOTALL,
)
_PYTHON = re.compile(
    r"^(?:import \w|from [\w.]+ import |def \w+\s*\(|class \w+.*:|print\s*\(|@\w+|# %%|#!.*python|"
    r"[A-Za-z_]\w* = )",
    re.MULTILINE,
)
_LINK_FILE_SIZE = 4096
_OTHER_SCRIPT_SHARE = 0.1


def other_format(data: bytes) -> Finding | None:
    """Return which well-known binary format `data` is in, None if it is in none of them."""
    for magic, name in _MAGIC_NUMBERS:
        if data.startswith(magic):
            if name == "ZIP":
                head = data[:4096]
                name = next((office for part, office in _OFFICE if part in head), name)
            return Finding("other-format", {"format": name})
    return None


def other_text(text: str) -> Finding | None:
    """Return what `text`, which is not JSON, is instead; None if it looks like damaged JSON."""
    if len(text) <= _LINK_FILE_SIZE and _SHORTCUT.match(text) and (link := _LINK.search(text)):
        return _link(link[0])
    if _HTML.match(text[:_LINK_FILE_SIZE]):
        return Finding("html-page")
    if text[0] in "{[":
        return None
    if text.startswith("version https://git-lfs"):
        return Finding("git-lfs-pointer")
    if _is_binary(text):
        return Finding("binary-file")
    if _PYTHON.search(text):
        return Finding("python-file")
    return Finding("plain-text")


def other_json(value: Any) -> Finding:
    """Return what the JSON `value` is, when it has no cells."""
    if isinstance(value, dict):
        for key in ("url", "alternateLink", "webViewLink"):
            if isinstance(link := value.get(key), str) and _LINK.match(link):
                return _link(link)
        if "doc_id" in value:
            return _link("https://drive.google.com")
        if "username" in value and "key" in value:
            return Finding("credentials-file")
    return Finding("json-without-cells")


def _link(link: str) -> Finding:
    """Return the finding about a saved link; only the host is told, the rest may be private."""
    host = link.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1]
    return Finding("link-saved", {"host": host})


def _is_binary(text: str) -> bool:
    """Return whether a tenth of the beginning of `text` is no character that people write."""
    head = text[:_LINK_FILE_SIZE]
    odd = sum(
        c == "\ufffd"
        or (unicodedata.category(c) in {"Cc", "Cn", "Co", "Cs"} and c not in "\t\n\r\f")
        for c in head
    )
    return odd > _OTHER_SCRIPT_SHARE * len(head)
