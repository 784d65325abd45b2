"""Every attack comes to what the table says, and the hand-in after it notices nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from grader.report import CheckResult, Report
from tests.hostile.conftest import Bench, environment, peak_memory, settled, timeless
from tests.hostile.notebooks import FAMILIES, Expected, scripts, table

EXPECTED = table()
GRADER_MEMORY = 200
"""MiB that any attack may cost the grader's own process, beyond what honest hand-ins take."""


@pytest.fixture(scope="module", autouse=True)
def the_environment_stays_as_it_is() -> Iterator[None]:
    before = environment()
    yield
    assert environment() == before


def plain(card: str) -> str:
    """What a card says, without tags and without the invisible marks around Latin words."""
    text = html.unescape(re.sub(r"<(style|script).*?</\1>|<[^>]+>", "", card, flags=re.DOTALL))
    return re.sub(r"[\u200e\u200f\u2066-\u2069]", "", " ".join(text.split()))


def checks(report: Report) -> dict[str, CheckResult]:
    return {c.id: c for q in report.questions for p in q.parts for c in p.checks}


def test_every_attack_stands_in_the_table() -> None:
    assert sorted(EXPECTED) == scripts()
    counts = {f: sum(name.startswith(f"{f}/") for name in EXPECTED) for f in FAMILIES}
    assert sum(counts.values()) >= 60
    assert min(counts.values()) >= 15, counts


def test_the_worker_is_caged_and_an_honest_hand_in_earns_everything(bench: Bench) -> None:
    layers = {layer.partition(" (")[0] for layer in bench.first.provenance.cage}
    assert {"bubblewrap", "pid", "mount", "network", "ipc", "user", "rlimits"} <= layers
    assert bench.first.score.points == bench.first.score.max_points == 10
    assert not bench.first.warnings
    assert not {"LOOT"} & set(bench.card(bench.first).split())


@pytest.mark.parametrize("name", EXPECTED)
def test_it_comes_to_what_is_stated(bench: Bench, name: str) -> None:
    assert "pid" in bench.first.provenance.cage  # never outside
    peak_memory()
    report = bench.grade_attack(name)
    judge(bench, report, EXPECTED[name])
    assert peak_memory() - bench.memory < GRADER_MEMORY
    after = bench.grade_honest()
    assert timeless(after) == timeless(bench.first)
    assert settled(bench._folder, bench.state) == bench.state


def judge(bench: Bench, report: Report, expected: Expected) -> None:
    """Compare verdicts, points, cells, notices and card with what is stated."""
    found = {id_.removeprefix("test_"): check for id_, check in checks(report).items()}
    verdicts = {id_: c.verdict for id_, c in found.items() if c.verdict != "passed"}
    for id_, verdict in expected.either.items():
        if verdicts.get(id_) == verdict:
            verdicts[id_] = expected.verdicts[id_]
    assert verdicts == expected.verdicts, {i: c.message.get("en") for i, c in found.items()}
    assert {c.points for c in found.values() if c.verdict != "passed"} <= {0}
    worth = {id_: check.points for id_, check in checks(bench.first).items()}
    lost = sum(worth[f"test_{id_}"] for id_ in expected.verdicts)
    assert report.score.points == pytest.approx(10 - lost)
    assert not report.has_error
    cells = {str(i): c.status for i, c in enumerate(report.cells) if c.status != "ok"}
    assert cells == expected.cells, [c.error for c in report.cells]
    assert [notice.id for notice in report.warnings] == expected.notices
    card = bench.card(report)
    assert "LOOT" not in "".join(o.data for c in report.cells for o in c.outputs)
    for notice in report.warnings:
        assert notice.text["en"] in plain(card)
    assert expected.says in plain(card)
