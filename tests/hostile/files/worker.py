"""A worker process of its own, so that its memory can be measured: it grades what it is told.

Each line of its input is a student and a path; each line of its output is the most memory, in
MiB, that it held while it graded that hand-in.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from grader.grading.records import Settings, Task, write_files
from grader.grading.worker import grade_one


def peak() -> int:
    """The most memory held since the last call, in MiB."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def main(course: str, slug: str, reports: str) -> None:
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what anything else prints is no answer
        settings = Settings(Path(course), slug)
        for line in sys.stdin:
            student, path = json.loads(line)
            peak()
            made = grade_one(settings, Task(student, Path(path)))
            write_files(Path(reports, slug, student), made.files)
            print(peak(), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
