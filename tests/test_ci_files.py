"""The ready files for GitHub Actions and GitLab: parsed, and their steps run on a hand-in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from lxml import etree

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.release import skeleton, solution

ROOT = Path(__file__).parents[1]
WARMUP = ROOT / "tests" / "warmup_course"
STUDENT = "98123456"


def read(name: str) -> dict[Any, Any]:
    document = yaml.safe_load((ROOT / "docs" / "ci" / name).read_text("utf-8"))
    assert isinstance(document, dict)
    return document


def commit(folder: Path) -> None:
    name = ("-c", "user.name=Student", "-c", "user.email=student@example.org")
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "x")):
        subprocess.run(["git", *name, *arguments], cwd=folder, check=True)


def lay_course(job: Path) -> None:
    """Put the course where a job fetches it, set up with the environment of this test."""
    shutil.copytree(WARMUP, job / "course", ignore=shutil.ignore_patterns("__pycache__"))
    commands = job / "course" / ".venv" / "bin"
    commands.mkdir(parents=True)
    command = commands / "grader"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m grader.cli "$@"\n')
    command.chmod(0o755)


def run(script: str, job: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one step as both services do: bash, ending at the first command that fails."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=job,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def step(steps: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(step for step in steps if step["name"] == name)


def test_github_grades_a_push_and_puts_it_on_the_jobs_page(tmp_path: Path) -> None:
    workflow = read("github.yml")
    assert workflow[True] == ["push"]  # YAML takes `on` for a truth value; GitHub does not
    steps = workflow["jobs"]["grade"]["steps"]
    course = read_course(WARMUP)
    assignment = read_assignment(course, "warmup")
    hand_in = tmp_path / "hand-in"
    hand_in.mkdir()
    nbformat.write(skeleton(assignment, "en", course.languages), hand_in / "warmup.ipynb")
    commit(hand_in)
    lay_course(tmp_path)
    summary = tmp_path / "summary.md"
    environment = {
        "ASSIGNMENT": "warmup",
        "STUDENT": STUDENT,
        "FAIL_UNDER": "50",
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    assert set(workflow["env"]) - {"COURSE"} == set(environment) - {"GITHUB_STEP_SUMMARY"}
    graded = run(step(steps, "Grade")["run"], tmp_path, environment)
    assert graded.returncode == 1, graded.stderr  # an untouched notebook is below 50 per cent
    told = run(step(steps, "Summary")["run"], tmp_path, environment)
    assert told.returncode == 0, told.stderr
    assert STUDENT in summary.read_text("utf-8")
    assert "::warning file=warmup.ipynb" in told.stdout
    for later in ("Summary", "Report card"):
        assert step(steps, later)["if"] == "${{ !cancelled() }}"
    kept = list(tmp_path.glob(step(steps, "Report card")["with"]["path"]))
    assert kept == [tmp_path / "reports" / "warmup" / STUDENT / "feedback.html"]


def test_gitlab_grades_a_push_and_fills_the_tests_tab(tmp_path: Path) -> None:
    document = read("gitlab.yml")
    job = document["grade"]
    course = read_course(WARMUP)
    assignment = read_assignment(course, "warmup")
    nbformat.write(solution(assignment, course.languages), tmp_path / "warmup.ipynb")
    commit(tmp_path)
    lay_course(tmp_path)
    environment = {"ASSIGNMENT": "warmup", "STUDENT": STUDENT, "FAIL_UNDER": "50"}
    assert document["variables"] == {"FAIL_UNDER": "0", "STUDENT": "$CI_PROJECT_NAME"}
    graded = run("\n".join(job["script"]), tmp_path, environment)
    assert graded.returncode == 0, graded.stderr
    told = run("\n".join(job["after_script"]), tmp_path, environment)
    assert told.returncode == 0, told.stderr
    junit = tmp_path / job["artifacts"]["reports"]["junit"]
    assert etree.parse(junit).findall(".//testcase")
    assert job["artifacts"]["when"] == "always"
    (pattern,) = job["artifacts"]["paths"]
    assert list(tmp_path.glob(pattern)) == [
        tmp_path / "reports" / "warmup" / STUDENT / "feedback.html"
    ]


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_no_job_runs_student_code_uncaged_or_writes_a_student_s_words_into_a_script(
    name: str,
) -> None:
    text = (ROOT / "docs" / "ci" / name).read_text("utf-8")
    assert "--no-cage" not in text
    for job in read(name).get("jobs", {}).values():
        assert not [s for s in job["steps"] if re.search(r"\$\{\{", s.get("run", ""))]
