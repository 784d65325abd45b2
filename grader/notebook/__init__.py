"""A hand-in as it comes, before anything of it runs.

Finding the notebook among a student's files (:func:`find_notebook`), reading
and repairing it (:func:`read_notebook`), static facts of its code
(:class:`Facts`), secrets that must not be repeated (:func:`redact`), and the
way out to students: a skeleton made from the reference (:func:`to_notebook`).
"""

from grader.notebook.answers import Prose, fingerprint, prose_of
from grader.notebook.facts import Facts
from grader.notebook.findings import Finding, Unreadable, describe
from grader.notebook.hand_ins import HandIns, list_submissions, survey
from grader.notebook.locate import DataFile, Found, find_notebook
from grader.notebook.naming import assignment_of, storable
from grader.notebook.pdf import pdf_text
from grader.notebook.read import Submission, read_notebook
from grader.notebook.release import ReleaseError, solution_rows, to_notebook
from grader.notebook.secrets import secrets_left
from grader.notebook.solutions import regions_of
from grader.notebook.tree import Bounds

__all__ = [
    "Bounds",
    "DataFile",
    "Facts",
    "Finding",
    "Found",
    "HandIns",
    "Prose",
    "ReleaseError",
    "Submission",
    "Unreadable",
    "assignment_of",
    "describe",
    "find_notebook",
    "fingerprint",
    "list_submissions",
    "pdf_text",
    "prose_of",
    "read_notebook",
    "regions_of",
    "secrets_left",
    "solution_rows",
    "storable",
    "survey",
    "to_notebook",
]
