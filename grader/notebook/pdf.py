"""The text of a PDF that came with a hand-in, read by a process of its own within limits.

A PDF is a program for a reader, by somebody else: what it makes the reader do costs at most
seconds and megabytes here, and only text comes back.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

CPU_SECONDS: Final = 10
MEMORY_BYTES: Final = 1 << 30
MAX_PAGES: Final = 40
MAX_TEXT: Final = 100_000


def pdf_text(data: bytes) -> str | None:
    """Return the text of the first pages of a PDF; None where it has none that can be read."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", __file__],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=4 * CPU_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    text = done.stdout[: 4 * MAX_TEXT].decode("utf-8", "replace").strip()[:MAX_TEXT]
    return text if done.returncode == 0 and text else None


def main() -> None:
    """Read a PDF from the standard input and write its text to the standard output."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    from io import BytesIO

    from pypdf import PdfReader

    reader = PdfReader(BytesIO(sys.stdin.buffer.read()))
    left = MAX_TEXT
    for page in reader.pages[:MAX_PAGES]:
        text = page.extract_text()[:left]
        left -= len(text)
        sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
        if left <= 0:
            return


if __name__ == "__main__":
    main()
