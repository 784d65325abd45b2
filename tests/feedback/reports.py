"""Reports to show: one as large as a real homework, a whole class, one of a single check."""

from __future__ import annotations

import random

from msgspec.structs import replace

from grader.feedback.gallery import check, part, question, shown, specimen, text
from grader.report import CellOutput, CellResult, PartResult, QuestionResult, Report, Score, Verdict


def with_questions(base: Report, questions: list[QuestionResult], **changes: object) -> Report:
    """The report with other questions, its score made to fit them."""
    ordinary = [q for q in questions if not q.bonus]
    points = sum(q.points for q in ordinary)
    bonus = sum(q.points for q in questions if q.bonus)
    score = Score(
        points=points,
        max_points=sum(q.max_points for q in ordinary),
        bonus=bonus,
        pending=sum(q.pending for q in ordinary),
        penalty=0,
        final=points + bonus,
    )
    return replace(base, questions=questions, score=score, **changes)


def one_check(verdict: Verdict = "failed", points: float = 0, **fields: object) -> Report:
    """A report of one question with one part and one check."""
    cells = fields.pop("cells", [])
    title = fields.pop("title", text("عنوان", "Title"))
    message = fields.pop("message", text("پیام", "Message"))
    only = check("test_it", verdict, points, 5, title, message, **fields)
    asked = question(
        "q", text("سؤال ۱", "Question 1"), text("پرسش", "The question"),
        [part("p", text("بخش", "The part"), [only])],
    )  # fmt: skip
    return with_questions(specimen(), [asked], cells=cells, warnings=[])


def homework() -> Report:
    """As large as a homework of two weeks: 9 questions, 27 parts, 41 checks, 400 lines."""
    questions = [
        question(
            f"q{i}",
            text(f"سؤال {i}", f"Question {i}"),
            text("گرادیان لایهٔ کانولوشن", "The gradient of a convolution"),
            [_some_part(i, j) for j in range(3)],
        )
        for i in range(9)
    ]
    cells = [
        CellResult(
            index=k,
            status="ok",
            seconds=0.01,
            source=f"# cell {k}\n"
            + "\n".join(
                f"def layer_{k}_{n}(x, w={n}):\n    return np.maximum(x @ w + {n}.5, 0)  # گام {n}"
                for n in range(6)
            ),
            outputs=[CellOutput(kind="text", data="epoch 1: loss 0.93\n" * 8)],
        )
        for k in range(30)
    ]
    return with_questions(specimen(), questions, cells=cells)


def _some_part(i: int, j: int) -> PartResult:
    matrix = [[float((i + j) * r - c) for c in range(5)] for r in range(5)]
    wrong = [[value + (r == 2) for value in row] for r, row in enumerate(matrix)]
    verdict: Verdict = "failed" if (i + j) % 3 == 0 else "passed"
    checks = [
        check(
            f"test_{k}",
            verdict,
            2 if verdict == "passed" else 0,
            2,
            text("گرادیان نسبت به `W`", "The gradient with respect to `W`"),
            text(f"درایهٔ [{i}, {j}] را ببینید.", f"Look at entry [{i}, {j}]."),
            hint=text("قاعدهٔ زنجیری را بنویسید.", "Write the chain rule down."),
            found_by="name",
            cell=5 * i + j,
            evidence={
                "kind": "values",
                "asked": f"gradient_{i}(X, dY)",
                "answered": shown(wrong if verdict == "failed" else matrix),
                "expected": shown(matrix),
                "difference": {"max_abs": 0.0, "max_rel": 0.0}
                if verdict == "passed"
                else {
                    "max_abs": 1.0,
                    "max_rel": 0.5,
                    "wrong": 5,
                    "total": 25,
                    "first": {"index": [2, 0], "answered": 1.0, "expected": 0.0},
                    "worst": {"index": [2, 3], "answered": 4.0, "expected": 3.0},
                    "heatmap": [[float(r == 2)] * 5 for r in range(5)],
                },
            },
        )
        for k in range(1 + (i + j) % 2)
    ]
    return part(f"p{j}", text(f"بخش {j}", f"Part {j}"), checks)


def a_class(size: int) -> list[Report]:
    """A class whose members differ in what they got right."""
    chance = random.Random(20241231)
    return [_classmate(specimen(), f"{401100000 + 37 * k}", chance) for k in range(size)]


def _classmate(base: Report, student: str, chance: random.Random) -> Report:
    skill = chance.betavariate(4, 2)
    questions = []
    for asked in base.questions:
        parts = []
        for own in asked.parts:
            if own.verdict in ("pending", "error") and chance.random() < 0.9:
                parts.append(own if own.verdict == "pending" else _passed(own))
            else:
                parts.append(_passed(own) if chance.random() < skill else own)
        questions.append(
            replace(
                asked,
                parts=parts,
                points=sum(p.points for p in parts),
                pending=sum(p.pending for p in parts),
            )
        )
    seconds = replace(base.seconds, run=round(chance.expovariate(0.2), 2))
    cells = base.cells if chance.random() < 0.3 else []
    return with_questions(base, questions, student=student, cells=cells, seconds=seconds)


def _passed(own: PartResult) -> PartResult:
    checks = [replace(c, verdict="passed", points=c.max_points) for c in own.checks]
    return replace(own, verdict="passed", points=own.max_points, pending=0, checks=checks)
