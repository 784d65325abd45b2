"""Reports in the forms that other systems read: learning platforms, continuous integration, tables.

Each module makes one form from reports alone, as text or bytes; nothing here writes files.
"""

from grader.feedback.exports.github import step_summary, workflow_commands
from grader.feedback.exports.gradescope import gradescope_results
from grader.feedback.exports.junit import junit_xml
from grader.feedback.exports.sheets import (
    Filled,
    SheetError,
    fill_canvas,
    fill_moodle,
)
from grader.feedback.exports.tables import check_rows, parquet_bytes

__all__ = [
    "Filled",
    "SheetError",
    "check_rows",
    "fill_canvas",
    "fill_moodle",
    "gradescope_results",
    "junit_xml",
    "parquet_bytes",
    "step_summary",
    "workflow_commands",
]
