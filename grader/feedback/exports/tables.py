"""One row a check, for whoever analyses: CSV-like rows, and Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from grader.feedback.exports.wording import checks_of, said
from grader.report import Report


def check_rows(reports: Iterable[Report], language: str = "en") -> Iterator[dict[str, Any]]:
    """Yield a row for each check of each student."""
    for report in reports:
        for question, part, check in checks_of(report):
            yield {
                "assignment": report.assignment,
                "student": report.student,
                "question": question.id,
                "part": part.id,
                "kind": part.kind,
                "bonus": question.bonus,
                "check": check.id,
                "hidden": check.hidden,
                "verdict": check.verdict,
                "points": check.points,
                "max_points": check.max_points,
                "misconception": check.misconception or "",
                "message": said(check.message, language),
                "seconds": check.seconds,
                "final": report.score.final,
            }


def parquet_bytes(reports: Iterable[Report], language: str = "en") -> bytes:
    """Return :func:`check_rows` as a Parquet file.

    Raises
    ------
    ImportError
        Without pyarrow: ``pip install karnameh[parquet]``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(list(check_rows(reports, language)))
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()
