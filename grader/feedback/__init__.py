"""From a Report to something a person or a system reads.

:func:`render_card` and :func:`render_index` make self-contained HTML pages,
:func:`student_view` and :func:`class_table` fill the terminal, and
:func:`write_gradebook` writes CSV. :func:`render_gallery` shows every verdict
and every kind of evidence at once. Everything here reads reports and the
course's texts, never a notebook or a check.
"""

from grader.feedback.card import Occasion
from grader.feedback.class_summary import StudentSummary, summarise
from grader.feedback.gallery import render_gallery
from grader.feedback.gradebook import write_gradebook
from grader.feedback.html import (
    AlikePair,
    Side,
    question_html,
    render_audit,
    render_card,
    render_howto,
    render_index,
    render_similar,
)
from grader.feedback.language import UnknownLanguage
from grader.feedback.terminal import (
    checked_line,
    class_table,
    question_text,
    student_view,
    waiting_line,
)

__all__ = [
    "AlikePair",
    "Occasion",
    "Side",
    "StudentSummary",
    "UnknownLanguage",
    "checked_line",
    "class_table",
    "question_html",
    "question_text",
    "render_audit",
    "render_card",
    "render_gallery",
    "render_howto",
    "render_index",
    "render_similar",
    "student_view",
    "summarise",
    "waiting_line",
    "write_gradebook",
]
