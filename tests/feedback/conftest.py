from __future__ import annotations

from datetime import UTC, datetime

import pytest

from grader.feedback import Occasion, render_card
from grader.feedback.gallery import specimen
from grader.report import Report
from tests.feedback.pages import Page


@pytest.fixture(scope="session")
def report() -> Report:
    """Every verdict and every kind of evidence."""
    return specimen()


@pytest.fixture(scope="session")
def occasion() -> Occasion:
    return Occasion(
        course={"fa": "یادگیری عمیق", "en": "Deep Learning"},
        due=datetime(2024, 12, 31, 20, 29, tzinfo=UTC),
        handed_in=datetime(2025, 1, 1, 9, 12, tzinfo=UTC),
    )


@pytest.fixture(scope="session")
def card(report: Report, occasion: Occasion) -> Page:
    return Page(render_card(report, occasion=occasion))


@pytest.fixture(scope="session")
def english(report: Report, occasion: Occasion) -> Page:
    return Page(render_card(report, languages=("en",), occasion=occasion))


@pytest.fixture(scope="session")
def persian(report: Report, occasion: Occasion) -> Page:
    return Page(render_card(report, languages=("fa",), occasion=occasion))
