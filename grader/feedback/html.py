"""Report cards and class pages as self-contained HTML files.

A page holds everything it shows: styles, font, pictures. Its content security
policy forbids everything else, and a card has no script at all. Templates are
compiled once per process; all text is escaped by Jinja unless it comes from
this package as :class:`markupsafe.Markup`.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import msgspec
from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
)
from markupsafe import Markup

from grader import __version__
from grader.course.texts import LANGUAGES
from grader.feedback import evidence, pictures, source
from grader.feedback.audit import ENOUGH, Audit
from grader.feedback.card import Card, Occasion
from grader.feedback.class_summary import (
    ClassSummary,
    PartStatistics,
    StudentSummary,
    summaries,
)
from grader.feedback.language import SIGNS, Language, cell_number
from grader.feedback.student_prose import student_prose
from grader.feedback.templating import Templates
from grader.feedback.terminal import first_difference, where_to_look
from grader.feedback.untrusted import reveal, terminal_output, visible
from grader.report import QuestionResult, Report, Text


def _draw_distribution(summary: ClassSummary, language: Language) -> Markup:
    counts = summary.deciles
    numbers = [language.number(count) for count in counts]
    label = language.plain("class.distribution_picture", counts=" / ".join(numbers))
    axis = [language.number(10 * k) for k in range(11)]
    return pictures.distribution(counts, numbers, axis).labelled(label)


def _rate_bar(row: PartStatistics, language: Language) -> Markup:
    percent = row.pass_percent or 0.0
    label = language.plain("class.share", percent=round(percent))
    return Markup('<span class="rate">{}</span>').format(pictures.score_bar(percent, 0, 100, label))


def _verdict_counts(student: StudentSummary, language: Language) -> Markup:
    """Return how many parts came to each verdict: few elements, as a class has thousands."""
    shown = []
    told = []
    for verdict, count in student.verdicts.items():
        number = language.number(count)
        shown.append(Markup('<b class="{}">{}</b>{}').format(verdict, SIGNS[verdict], number))
        told.append(f"{language.plain(f'verdict.{verdict}')}: {number}")
    separator = "، " if language.code == "fa" else ", "
    return Markup('<span role="img" class="marks" aria-label="{}">{}</span>').format(
        separator.join(told), Markup(" ").join(shown)
    )


def _card_link(student: str, card_name: str) -> str:
    return f"{quote(student, safe='')}/{card_name}"


def _compiled() -> FileSystemBytecodeCache | None:
    """Return where templates are kept compiled between commands, in the user's own cache."""
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = caches / "karnameh"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
    except (OSError, RuntimeError):  # no home, or none that can be written to
        return None
    return FileSystemBytecodeCache(str(folder))


@cache
def _environment(own: Path | None = None) -> Environment:
    """Return the templates; those in the folder `own` go before ours, which are ``grader/NAME`` there."""
    ours = PackageLoader("grader.feedback", "templates")
    theirs = [] if own is None else [FileSystemLoader(own)]
    environment = Templates(
        loader=ChoiceLoader([*theirs, ours, PrefixLoader({"grader": ours})]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=_compiled(),
    )
    environment.globals.update(
        version=__version__,
        highlighted=source.highlighted,
        one_line=source.one_line,
        terminal_output=terminal_output,
        reveal=reveal,
        visible=visible,
        student_prose=student_prose,
        cell_number=cell_number,
        short_shape=evidence.short_shape,
        options_text=evidence.options_text,
        written=evidence.written,
        extremes=pictures.extremes,
        draw_distribution=_draw_distribution,
        rate_bar=_rate_bar,
        verdict_counts=_verdict_counts,
        card_link=_card_link,
    )
    return environment


@cache
def _style(languages: tuple[str, ...], own: Path | None = None) -> Markup:
    font = files(__package__).joinpath("fonts/Vazirmatn-subset.woff2").read_bytes()
    sheet = _environment(own).get_template("style.css.jinja")
    return Markup(  # noqa: S704 - our own style sheet, a constant
        sheet.render(languages=languages, font=base64.b64encode(font).decode("ascii")).strip()
    )


@cache
def _script() -> Markup:
    script = files(__package__).joinpath("templates/index.js").read_text("utf-8")
    return Markup(script.strip())  # noqa: S704 - our own script, a constant


def _hash(inline: str) -> str:
    digest = hashlib.sha256(inline.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _policy(style: str, script: str | None) -> str:
    """Return a content security policy that allows this style, this script and nothing else."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(style)}",
            *([f"script-src {_hash(script)}"] if script else []),
            "img-src data:",
            "font-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _speakers(languages: Sequence[str]) -> list[Language]:
    if not languages:
        raise ValueError(f"a page needs at least one language of: {', '.join(LANGUAGES)}")
    return [Language(code) for code in dict.fromkeys(languages)]


def render_card(
    report: Report,
    *,
    languages: Sequence[str] | None = None,
    occasion: Occasion | None = None,
) -> str:
    """Return the report card of one student as one HTML file.

    Parameters
    ----------
    report
        What was graded.
    languages
        Languages of the card, the first being the one it opens in; those of `occasion` if left out.
    occasion
        Title of the course and dates, which the report does not hold.

    Raises
    ------
    UnknownLanguage
        If the interface does not speak one of `languages`.
    ValueError
        If a moment of `occasion` has no time zone.
    """
    speakers = _speakers((occasion or Occasion()).languages if languages is None else languages)
    card = Card(report, occasion or Occasion())
    own = card.occasion.templates
    style = _style(tuple(speaker.code for speaker in speakers), own)
    return (
        _environment(own)
        .get_template("card.html.jinja")
        .render(
            card=card,
            report=report,
            occasion=card.occasion,
            speakers=speakers,
            style=style,
            policy=_policy(style, None),
        )
    )


class Side(msgspec.Struct, frozen=True):
    """One hand-in of a pair: its cells with something shared, and which lines, from 1."""

    name: str
    cells: list[tuple[str, list[int]]]


class AlikePair(msgspec.Struct, frozen=True):
    """Two hand-ins, side by side, and the share of the smaller one that both have."""

    first: Side
    second: Side
    share: float


def render_similar(
    title: Text,
    pairs: Sequence[AlikePair],
    groups: Sequence[Sequence[str]],
    compared: int,
    *,
    languages: Sequence[str] = ("fa", "en"),
) -> str:
    """Return the page of hand-ins that are more alike than is usual, as one HTML file.

    Parameters
    ----------
    compared
        How many hand-ins were compared.

    Raises
    ------
    UnknownLanguage
        If the interface does not speak one of `languages`.
    """
    speakers = _speakers(languages)
    style = _style(tuple(speaker.code for speaker in speakers))
    return (
        _environment()
        .get_template("similar.html.jinja")
        .render(
            title=title,
            pairs=pairs,
            groups=groups,
            compared=compared,
            named=lambda name: Markup("<bdi>{}</bdi>").format(reveal(name)),
            speakers=speakers,
            style=style,
            policy=_policy(style, None),
        )
    )


def question_html(question: QuestionResult, *, language: str = "en") -> str:
    """Return the result of one question as a piece of HTML, for the output of a cell.

    Raises
    ------
    UnknownLanguage
        If the interface does not speak `language`.
    """
    return (
        _environment()
        .get_template("verdict.html.jinja")
        .render(
            question=question,
            l=Language(language),
            signs=SIGNS,
            first_difference=first_difference,
            where_to_look=where_to_look,
        )
    )


def render_howto(
    title: Text,
    course: Text,
    slug: str,
    question: str,
    *,
    languages: Sequence[str] = ("fa", "en"),
) -> str:
    """Return the page that tells students how to work and to check themselves, as one HTML file.

    Parameters
    ----------
    question
        The one that the example checks.

    Raises
    ------
    UnknownLanguage
        If the interface does not speak one of `languages`.
    """
    speakers = _speakers(languages)
    style = _style(tuple(speaker.code for speaker in speakers))
    return (
        _environment()
        .get_template("howto.html.jinja")
        .render(
            title=title,
            course=course,
            slug=slug,
            question=question,
            speakers=speakers,
            style=style,
            policy=_policy(style, None),
        )
    )


def render_audit(audit: Audit) -> str:
    """Return the page of an audit of an assignment's checks, as one HTML file, in English."""
    speakers = _speakers(["en"])
    style = _style(("en",))
    return (
        _environment()
        .get_template("audit.html.jinja")
        .render(
            audit=audit,
            enough=ENOUGH,
            speakers=speakers,
            style=style,
            policy=_policy(style, None),
        )
    )


def render_index(
    reports: Sequence[Report | StudentSummary],
    *,
    languages: Sequence[str] | None = None,
    occasion: Occasion | None = None,
    card_name: str = "feedback.html",
) -> str:
    """Return the class page of one assignment as one HTML file.

    All of it is there without script; the inline script adds sorting and a
    filter to the table of students.

    Parameters
    ----------
    reports
        Reports, or the summaries of them that ``summarise`` makes (much smaller:
        a class of thousands need not be held in memory).
    languages
        Languages of the page, the first being the one it opens in; those of `occasion` if left out.
    occasion
        Title of the course and dates.
    card_name
        Name of the card file in each student's folder, for the links.

    Raises
    ------
    UnknownLanguage
        If the interface does not speak one of `languages`.
    """
    speakers = _speakers((occasion or Occasion()).languages if languages is None else languages)
    own = None if occasion is None else occasion.templates
    style = _style(tuple(speaker.code for speaker in speakers), own)
    script = _script()
    return (
        _environment(own)
        .get_template("index.html.jinja")
        .render(
            summary=ClassSummary(summaries(reports)),
            occasion=occasion or Occasion(),
            card_name=card_name,
            speakers=speakers,
            style=style,
            script=script,
            policy=_policy(style, script),
        )
    )
