"""The command line: thin, with results on standard output and messages on standard error.

Each command is a module of its own, and a line in ``COMMANDS``; :mod:`console`
holds what they share.
"""

from __future__ import annotations

import sys

import typer

from grader.cli.audit import audit
from grader.cli.check import check
from grader.cli.console import Stop
from grader.cli.diff import diff
from grader.cli.doctor import doctor
from grader.cli.export import export
from grader.cli.gallery import gallery
from grader.cli.grade import grade
from grader.cli.imports import import_nbgrader, import_otter
from grader.cli.mark import app as mark
from grader.cli.new import new
from grader.cli.release import release
from grader.cli.serve import serve
from grader.cli.similar import similar

app = typer.Typer(
    name="grader",
    help="Karnameh grades deep-learning coursework: it runs notebooks in a cage, judges them "
    "against an executable reference, and writes report cards that teach.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (
    grade,
    serve,
    diff,
    check,
    doctor,
    new,
    import_nbgrader,
    import_otter,
    release,
    audit,
    similar,
    export,
    gallery,
)
for _command in COMMANDS:
    app.command()(_command)
app.add_typer(mark, name="mark")


def main() -> None:
    """Entry of the command ``grader``."""
    try:
        app()
    except Stop as stop:
        sys.exit(stop.code)
