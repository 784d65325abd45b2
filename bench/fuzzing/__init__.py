"""What reads bytes and text that strangers wrote, each with inputs made to break it."""

from __future__ import annotations

from bench.fuzzing.answers import answers
from bench.fuzzing.archives import archives
from bench.fuzzing.logs import logs
from bench.fuzzing.notebooks import notebooks, sources
from bench.fuzzing.records import records
from bench.fuzzing.target import Target
from bench.fuzzing.wires import messages, wires

__all__ = ["TARGETS", "Target"]

TARGETS = {
    made.name: made
    for made in (
        wires(),
        messages(),
        notebooks(),
        sources(),
        archives(),
        answers(),
        logs(),
        *records(),
    )
}
