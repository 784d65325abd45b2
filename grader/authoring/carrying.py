"""From another grader's assignment to the files of ours.

Tests become checks where :mod:`statements` finds a sound form for them. The
points of those that have none go to a person, so that the assignment is whole
from the first day, and its report says which they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import jupytext
import msgspec
import tomlkit
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.authoring.assertions import Property
from grader.authoring.foreign import Foreign, Lost, Part, Question, Test, unique
from grader.authoring.namespace import Namespace
from grader.authoring.questions import Helpers
from grader.authoring.statements import Translation, as_written, translate
from grader.course.texts import Text
from grader.grading.submission import RELEASED

_HIDDEN_TEST = "hidden-test"
_LABEL = {"en": "Question {number}", "fa": "سؤال {number}"}
_PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_HOLDS = {
    "en": "This should hold, and does not: `{code}`",
    "fa": "این باید برقرار باشد و نیست: `{code}`",
}
_RAISES = {
    "en": "This should raise an exception ({raises}), and does not: `{code}`",
    "fa": "این باید استثنا بدهد ({raises}) و نمی‌دهد: `{code}`",
}
_HIDDEN_TEXT = {
    "en": "Something that is checked at grading does not hold.",
    "fa": "چیزی که هنگام تصحیح بررسی می‌شود برقرار نیست.",
}
_BY_HAND = {"en": "Looked at by a person", "fa": "بررسی به دست مصحح"}
_ALONE = {True: {"en": "Tests", "fa": "آزمون‌ها"}, False: {"en": "Answer", "fa": "پاسخ"}}
_RIGHT = {"en": "The answer is right and complete.", "fa": "پاسخ درست و کامل است."}
_TESTED = {
    "en": "The solution passes the test above.",
    "fa": "راه‌حل از آزمون بالا سربلند بیرون می‌آید.",
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Where an assignment goes.

    Attributes
    ----------
    language
        In which the notebook is written. Its texts are in this one alone; in the other
        `languages` of the course they are missing, which its validation says.
    """

    slug: str
    language: str
    languages: tuple[str, ...]
    due: str


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an assignment.

    Attributes
    ----------
    files
        Contents by path, relative to the course.
    checks
        The test that each check function came from.
    lost
        What was not carried over, in the order of the notebook.
    tests, assertions
        How many of each were carried over, and how many there were.
    """

    files: dict[str, str | bytes]
    checks: dict[str, Test]
    lost: tuple[Lost, ...]
    tests: tuple[int, int]
    assertions: tuple[int, int]
    by_person: tuple[str, ...]


class _Check(msgspec.Struct, frozen=True):
    test: Test
    made: Translation
    part: str
    share: Decimal | None


def carry(
    foreign: Foreign,
    plan: Plan,
    *,
    plain: frozenset[str] = frozenset(),
    refused: Mapping[str, str] | None = None,
) -> Carried:
    """Make our files of an assignment.

    Parameters
    ----------
    plain
        Check functions whose comparisons stay as they are written.
    refused
        Check functions that cannot be used, and why.
    """
    return _Carrier(foreign, plan, plain, refused or {}).carry()


class _Carrier:
    def __init__(
        self, foreign: Foreign, plan: Plan, plain: frozenset[str], refused: Mapping[str, str]
    ) -> None:
        self.foreign = foreign
        self.slug = plan.slug
        self.language = plan.language
        self.languages = plan.languages
        self.due = plan.due
        self.plain = plain
        self.refused = refused
        self.namespace = Namespace()
        self.helpers = Helpers()
        self.lost: list[Lost] = list(foreign.lost)
        self.checks: dict[str, Test] = {}
        self.feedback: dict[str, Any] = {"check": {}, "misconception": {}}
        self.rubric: dict[str, Any] = {}
        self.by_person: list[str] = []
        self.tests = 0
        self.carried = self.asserted = 0

    def carry(self) -> Carried:
        for cell in self.foreign.cells:
            if cell.kind == "code":
                self.namespace.learn(cell.source, solution=cell.solution)
        folder = f"assignments/{self.slug}"
        files: dict[str, str | bytes] = {}
        questions = []
        modules: set[str] = set()
        for number, question in enumerate(self.foreign.questions, start=1):
            parts, checks = self.question(question)
            questions.append(
                {
                    "id": question.id,
                    "label": self.spoken(_LABEL, number=number),
                    "title": self.written(question.title),
                    "part": parts,
                }
            )
            if checks:
                module = unique(re.sub(r"\W", "_", question.id), modules)
                files[f"{folder}/test_{module}.py"] = _module(question, checks)
        assignment = {
            "title": self.written(self.foreign.title),
            "due": self.due,
            "question": questions,
        }
        made: dict[str, str | bytes] = {
            f"{folder}/assignment.toml": _toml(assignment),
            f"reference/{self.slug}.py": self.reference(),
            **files,
            f"{folder}/feedback.toml": _toml({k: v for k, v in self.feedback.items() if v}),
        }
        if self.rubric:
            made[f"{folder}/rubric.toml"] = _toml(self.rubric)
        if not any(self.feedback.values()):
            del made[f"{folder}/feedback.toml"]
        for name, data in self.foreign.files.items():
            made[f"{folder}/{RELEASED}/{name}"] = data
        return Carried(
            files=made,
            checks=self.checks,
            lost=tuple(sorted(self.lost, key=lambda lost: lost.cell or 0)),
            tests=(len(self.checks), self.tests),
            assertions=(self.carried, self.asserted),
            by_person=tuple(self.by_person),
        )

    # -- texts ------------------------------------------------------------------------

    def written(self, text: str) -> Text:
        """A text of the notebook's, in its language alone."""
        return {self.language: text or "…"}

    def spoken(self, texts: Text, **values: object) -> Text:
        """A sentence of ours, in every language of the course."""
        made = {}
        for code in self.languages:
            shown = {k: str(v) for k, v in values.items()}
            if code == "fa" and "number" in shown:
                shown["number"] = shown["number"].translate(_PERSIAN)
            made[code] = texts[code].format(**shown)
        return made

    # -- questions --------------------------------------------------------------------

    def question(self, question: Question) -> tuple[list[dict[str, Any]], list[_Check]]:
        parts: list[dict[str, Any]] = []
        checks: list[_Check] = []
        names = {part.id for part in question.parts}
        for part in question.parts:
            made = [(test, self.test(test)) for test in part.tests]
            good = [(test, each) for test, each in made if each is not None]
            bad = [test for test, each in made if each is None]
            title = (
                self.written(part.title) if part.title else self.spoken(_ALONE[bool(part.tests)])
            )
            if good:
                points = sum((test.share for test, _ in good), Decimal(0))
                parts.append(_part(part.id, title, "auto", points))
                equal = len({test.share for test, _ in good}) == 1
                checks += [
                    _Check(test, each, part.id, None if equal else test.share)
                    for test, each in good
                ]
            if bad or not part.tests:
                name = unique(f"{part.id}-by-hand", names) if good else part.id
                points = sum((t.share for t in bad), Decimal(0)) if bad else part.points
                shown = self.spoken(_BY_HAND) if good else title
                parts.append(_part(name, shown, "rubric", points))
                self.person(f"{question.id}/{name}", part, bad, points)
        return parts, checks

    def person(self, place: str, part: Part, tests: Sequence[Test], points: Decimal) -> None:
        self.by_person.append(place)
        sources = "\n\n".join(as_written(test.source).strip() for test in tests)
        answer = f"```python\n{sources}\n```" if tests else part.model_answer
        # Without an answer of its own the model answer is the same sentence as the criterion.
        text = self.written(answer) if answer else self.spoken(_RIGHT)
        criterion = {
            "id": "right",
            "points": points,
            "text": self.spoken(_TESTED if tests else _RIGHT),
        }
        self.rubric[place] = {"model_answer": text, "criterion": [criterion]}

    def test(self, test: Test) -> Translation | None:
        """Carry over a test; None if nothing of it could be."""
        function = test.function
        if test.unreadable:
            self.tests += 1
            self.asserted += 1
            what = f"the test `{test.name}`: {test.unreadable}"
            self.lost.append(Lost(test.cell, what, as_written(test.source)))
            return None
        made = translate(
            test.source,
            self.namespace,
            self.helpers,
            prefix=test.name,
            rich=function not in self.plain,
            by_name=test.by_name,
        )
        self.tests += 1
        self.asserted += made.carried + len(made.left)
        if (reason := self.refused.get(function)) is not None:
            self.lost.append(
                Lost(test.cell, f"the test `{test.name}`: {reason}", as_written(test.source))
            )
            return None
        for left in made.left:
            what = f"in the test `{test.name}`: {left.reason}"
            self.lost.append(Lost(test.cell, what, as_written(left.source)))
        if not made.carried:
            if not made.left:
                what = f"the test `{test.name}` makes no assertion"
                self.lost.append(Lost(test.cell, what, as_written(test.source)))
            return None
        self.carried += made.carried
        self.checks[function] = test
        self.feedback["check"][function] = {"title": self.written(test.title)}
        if test.hint:
            self.feedback["check"][function]["hint"] = self.written(test.hint)
        if test.hidden:
            made = _without_names(made)
            if made.properties:
                text = {"text": self.spoken(_HIDDEN_TEXT)}
                self.feedback["misconception"][_HIDDEN_TEST] = text
        else:
            for name, each in made.properties.items():
                self.feedback["misconception"][name] = {"text": self.property(each)}
        return made

    def property(self, each: Property) -> Text:
        if each.message:
            return self.written(each.message)
        if each.raises is not None:
            return self.spoken(_RAISES, code=each.code, raises=each.raises)
        return self.spoken(_HOLDS, code=each.code)

    # -- files ------------------------------------------------------------------------

    def reference(self) -> str:
        cells = []
        names: set[str] = set()
        several = len(self.languages) > 1
        for cell in self.foreign.cells:
            metadata: dict[str, str] = {}
            if cell.kind == "code":
                if cell.name:
                    metadata["name"] = unique(cell.name, names)
                cells.append(new_code_cell(cell.source, metadata=metadata))
                continue
            if cell.answer or several:
                metadata["lang"] = self.language
            if cell.answer:
                metadata["answer"] = cell.answer
            cells.append(new_markdown_cell(cell.source, metadata=metadata))
        options = {
            "notebook_metadata_filter": "-all",
            "cell_metadata_filter": "name,lang,answer,-all",
        }
        notebook = new_notebook(cells=cells, metadata={"jupytext": options})
        return str(jupytext.writes(notebook, fmt="py:percent")).strip() + "\n"


def _part(name: str, title: Text, kind: str, points: Decimal) -> dict[str, Any]:
    return {"id": name, "title": title, "kind": kind, "points": points}


def _without_names(made: Translation) -> Translation:
    """A hidden check says the same sentence of whatever does not hold."""
    body = made.body
    for name in made.properties:
        body = [line.replace(f"'{name}')", f"'{_HIDDEN_TEST}')") for line in body]
    return made._replace(body=body)


def _module(question: Question, checks: Sequence[_Check]) -> str:
    """The checks of one question, as a file."""
    imports = sorted({"import pytest", *(line for c in checks for line in c.made.imports)})
    definitions = dict.fromkeys(d for c in checks for d in c.made.definitions if d)
    lines = [f'"""{_quoted(question.title)}"""', "", *imports, ""]
    lines += [f'pytestmark = pytest.mark.question("{question.id}")']
    for definition in definitions:
        lines += ["", "", definition]
    for check in checks:
        points = "" if check.share is None else f", points={check.share.normalize():f}"
        fixtures = ["student", "expect"]
        if any("reference." in line for line in check.made.body):
            fixtures.insert(1, "reference")
        lines += ["", "", f'@pytest.mark.part("{check.part}"{points})']
        if check.test.hidden:
            lines.append("@pytest.mark.hidden")
        lines.append(f"def {check.test.function}({', '.join(fixtures)}):")
        lines.append(f'    """{_quoted(check.test.title)} (cell {check.test.cell})."""')
        for statement in check.made.body:
            lines += [f"    {line}" for line in statement.split("\n")]
        for left in check.made.left:
            first = left.source.splitlines()[0]
            lines.append(f"    # Not carried over ({left.reason}): {first}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "'")


def _toml(value: dict[str, Any]) -> str:
    """TOML of nested tables, each text of a few words on one line."""
    return tomlkit.dumps(_tables(value)).strip() + "\n"


def _tables(value: dict[str, Any]) -> Any:
    table = tomlkit.table()
    for key, each in value.items():
        if isinstance(each, list):
            array = tomlkit.aot()
            for item in each:
                array.append(_tables(item))
            table.append(key, array)
        elif isinstance(each, dict) and all(isinstance(v, str) for v in each.values()):
            if any("\n" in v for v in each.values()):
                inner = tomlkit.table()
                for code, text in each.items():
                    inner.append(code, _long(text))
                table.append(key, inner)
            else:
                line = tomlkit.inline_table()
                line.update(each)
                table.append(key, line)
        elif isinstance(each, dict):
            table.append(key, _tables(each))
        elif isinstance(each, Decimal):
            table.append(key, tomlkit.item(_number(each)))
        else:
            table.append(key, each)
    return table


def _long(text: str) -> Any:
    text = "\n".join(line.rstrip() for line in text.strip().split("\n")) + "\n"
    return tomlkit.string(text, literal="'''" not in text, multiline=True)


def _number(points: Decimal) -> int | float:
    return int(points) if points == points.to_integral_value() else float(points)
