"""What students write reaches readers as text: in a browser, a spreadsheet and a terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import nbformat
import pytest
from nbformat import NotebookNode, v4
from rich.console import Console
from selenium.webdriver import Chrome

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.feedback import (
    AlikePair,
    Side,
    render_card,
    render_index,
    render_similar,
    student_view,
)
from grader.feedback.language import Language
from grader.grading.release import solution
from grader.notebook import list_submissions
from grader.report import Report, from_json
from tests.browser import started
from tests.hostile.notebooks import COURSE
from tests.hostile.reader.samples import SAMPLES, Sample
from tests.hostile.reader.secrets import HIDDEN, SECRETS, with_borrowed_secrets, with_secrets

ROOT = Path(__file__).parents[3]
SLUG = "cage"
LANGUAGES = {"fa": ("fa", "en"), "en": ("en", "fa")}


class Site(ThreadingHTTPServer):
    """A server that knows the pages put there, and notes whatever else it is asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, str] = {}
        self.policy: str | None = None
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def home(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)
        if page is None:
            self.server.asked.append(self.path)
        body = (page or "").encode()
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if page and self.server.policy:
            self.send_header("Content-Security-Policy", self.server.policy)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Graded(NamedTuple):
    """What grading all samples left: the reports' folder, each sample's student, the terminal."""

    folder: Path
    students: dict[str, str]
    terminal: str

    def report(self, name: str) -> Report:
        return from_json((self.folder / self.students[name] / "report.json").read_bytes())

    def reports(self) -> list[Report]:
        return [self.report(name) for name in self.students]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.shutdown()
    made.server_close()


def notebook_of(sample: Sample, home: str) -> NotebookNode:
    course = read_course(COURSE)
    notebook = solution(read_assignment(course, SLUG), course.languages)
    before = [v4.new_code_cell(c) if isinstance(c, str) else c.copy() for c in sample.cells]
    for cell in notebook.cells:
        name = cell.metadata.get("karnameh", {}).get("name")
        replaced = {"values": sample.values, "network": sample.network}.get(name)
        cell.source = cell.source if replaced is None else replaced
    notebook.cells = before + notebook.cells
    notebook.metadata.update(sample.metadata or {})
    text = nbformat.writes(notebook).replace("@HOME@", home)
    return nbformat.reads(text, as_version=4)


@pytest.fixture(scope="module")
def graded(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """All samples, graded by the command line as a class, before a terminal."""
    folder = tmp_path_factory.mktemp("reader")
    hand_ins = folder / "submissions" / SLUG
    homes = {}
    for name, sample in SAMPLES.items():
        home = hand_ins / (sample.student or name)
        home.mkdir(parents=True)
        nbformat.write(notebook_of(sample, site.home), home / sample.file)
        homes[home] = name
    for name, put in (
        ("secrets", with_secrets),
        ("copied-secrets", with_secrets),
        ("borrowed-secrets", with_borrowed_secrets),
    ):
        home = hand_ins / name
        home.mkdir()
        put(notebook_of(Sample(), ""), home)
        homes[home] = name
    students = {homes[p]: s for s, p in list_submissions(folder / "submissions", SLUG).items()}
    assert sorted(students) == sorted(homes.values())
    command = [
        sys.executable,
        "-m",
        "grader.cli",
        "grade",
        SLUG,
        "-j",
        "1",
        "--course",
        str(COURSE),
    ]
    options = ["--submissions", folder / "submissions", "--reports", folder / "reports"]
    code, said = before_a_terminal([*command, *map(str, options)])
    assert code == 0, said
    similar = [sys.executable, "-m", "grader.cli", "similar", SLUG, "--course", str(COURSE)]
    page = folder / "reports" / SLUG / "similar.html"
    code, more = before_a_terminal([*similar, *map(str, options[:2]), "-o", str(page)])
    assert code == 0, more
    said += more
    return Graded(folder / "reports" / SLUG, students, said)


def before_a_terminal(command: list[str]) -> tuple[int, str]:
    """Run a command whose output is a terminal's; return its exit code and what it wrote."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "200"}
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    return process.wait(), said.decode()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    chrome = started(tmp_path_factory.mktemp("profile"))
    chrome.get("about:blank")  # away from Chromium's own first page
    yield chrome
    chrome.quit()


# -- in a browser -----------------------------------------------------------------------

LOOK = """
const shown = (element) => {
  element.scrollIntoView({block: 'center', behavior: 'instant'});
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return box.width > 8 && box.height > 8 && style.opacity === '1' && style.visibility === 'visible'
    && parseFloat(style.fontSize) > 8 && top !== null && (element.contains(top) || top.contains(element));
};
const all = [...document.querySelectorAll('*')];
return {
  title: document.title,
  mine: window.mine ?? null,
  tags: [...new Set(all.map((e) => e.localName))],
  handlers: all.flatMap((e) => [...e.attributes]).filter((a) => /^on|^style$|^srcdoc$|^formaction$/i.test(a.name))
    .map((a) => a.name + '=' + a.value),
  links: all.flatMap((e) => ['href', 'src', 'xlink:href', 'action', 'data', 'poster', 'background']
    .map((n) => e.getAttribute(n)).filter((v) => v !== null)),
  ids: all.map((e) => e.id).filter((id) => id),
  badges: [...document.querySelectorAll('.in-' + arguments[0] + ' .badge')].map((e) => [e.textContent.trim(), shown(e)]),
  score: [...document.querySelectorAll('.in-' + arguments[0] + ' .final')].map((e) => [e.textContent.trim(), shown(e)]),
  outside: [...document.querySelectorAll('body *')].filter((e) => getComputedStyle(e).position === 'fixed').length,
};
"""
ALLOWED_LINKS = re.compile(r"#[\w-]+|data:image/(?:png|jpeg|svg\+xml);base64,[\w+/=]*")


def opened(browser: Chrome, site: Site, page: str, *, policy: str | None) -> list[str]:
    """Open a page under a policy; return whatever was asked for besides it."""
    site.pages = {"/page": page}
    site.policy = policy
    site.asked.clear()
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(f"{site.home}/page")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    ours = (f"{site.home}/page", f"{site.home}/favicon.ico")
    asked = [url for url in urls if url not in ours and not url.startswith("data:")]
    return asked + [path for path in site.asked if path != "/favicon.ico"]


def without_policy(page: str) -> str:
    bare, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert count == 1
    return bare


def policy_of(page: str) -> str:
    """The page's own policy, as a header, which can forbid frames and report too."""
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert found is not None
    policy = found[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    return f"{policy}; frame-ancestors 'none'; report-uri /violation"


@pytest.mark.browser
def test_what_acts_would_be_noticed(browser: Chrome, site: Site) -> None:
    page = """<title>x</title><script>window.mine = 1; document.title = 'MINE'</script>
    <div class=in-en><b class=badge>Passed</b><b class=badge>Failed</b></div><img src=/tracker onerror=1>
    <p style="position:fixed;inset:0;background:#fff">100 of 100</p>"""
    assert set(opened(browser, site, page, policy=None)) == {f"{site.home}/tracker", "/tracker"}
    seen = browser.execute_script(LOOK, "en")
    assert (seen["title"], seen["mine"], seen["outside"]) == ("MINE", 1, 1)
    assert seen["badges"] == [["Passed", False], ["Failed", False]]
    assert len(seen["handlers"]) == 2
    assert opened(browser, site, page, policy="default-src 'none'; report-uri /violation")
    assert [e for e in browser.get_log("browser") if "Content Security Policy" in e["message"]]
    assert browser.execute_script(LOOK, "en")["mine"] is None


@pytest.mark.browser
@pytest.mark.parametrize("first", LANGUAGES)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_card_acts_on_nothing_and_shows_every_verdict(
    browser: Chrome, site: Site, graded: Graded, name: str, first: str
) -> None:
    report = graded.report(name)
    card = render_card(report, languages=LANGUAGES[first])
    views: list[tuple[str, str | None]] = [(card, policy_of(card))]
    if first == "en":  # under no policy at all, the page alone must be harmless
        views.append((without_policy(card), None))
    for page, policy in views:
        assert opened(browser, site, page, policy=policy) == []
        seen = browser.execute_script(LOOK, first)
        judge_page(seen)
        assert [
            entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]
        ] == []
        assert "script" not in seen["tags"]
        assert [link for link in seen["links"] if not ALLOWED_LINKS.fullmatch(link)] == []
        assert len(set(seen["ids"])) == len(seen["ids"])
        speaker = Language(first)
        verdicts = [p.verdict for q in report.questions for p in q.parts]
        assert seen["badges"] == [[speaker.plain(f"verdict.{v}"), True] for v in verdicts]
        ((score, visible),) = seen["score"]
        assert visible
        assert score.startswith(speaker.number(report.score.final))


def judge_page(seen: dict[str, Any]) -> None:
    assert seen["title"] != "MINE"
    assert seen["mine"] is None
    assert not set(seen["tags"]) & set(
        "iframe frame object embed form link base audio video".split()
    )
    assert seen["handlers"] == []
    assert seen["outside"] == 0


@pytest.mark.browser
@pytest.mark.parametrize("first", LANGUAGES)
def test_the_class_page_acts_on_nothing(
    browser: Chrome, site: Site, graded: Graded, first: str
) -> None:
    page = render_index(graded.reports(), languages=LANGUAGES[first])
    assert opened(browser, site, page, policy=policy_of(page)) == []
    seen = browser.execute_script(LOOK, first)
    judge_page(seen)
    assert [e for e in browser.get_log("browser") if "favicon" not in e["message"]] == []
    cards = [unquote(link) for link in seen["links"] if link.endswith("/feedback.html")]
    assert {c.removesuffix("/feedback.html") for c in cards} == set(graded.students.values())
    others = [link for link in seen["links"] if not link.endswith("/feedback.html")]
    assert [link for link in others if not ALLOWED_LINKS.fullmatch(link)] == []
    # Every card's address stays below the page's own folder.
    lead = browser.execute_script(
        "return [...document.querySelectorAll('a[href$=\"feedback.html\"]')].map((a) => a.href)"
    )
    for address in lead:
        assert re.fullmatch(rf"{re.escape(site.home)}/[^/?#]+/feedback\.html", address)


@pytest.mark.browser
def test_the_page_of_look_alikes_acts_on_nothing(
    browser: Chrome, site: Site, graded: Graded
) -> None:
    sides = [
        Side(graded.students[name], [(cell.source, [1]) for cell in graded.report(name).cells])
        for name in SAMPLES
    ]
    pairs = [AlikePair(a, b, 0.9) for a, b in pairwise(sides)]
    groups = [list(graded.students.values())]
    page = render_similar({"en": "Cage"}, pairs, groups, len(sides), languages=("en",))
    assert opened(browser, site, page, policy=policy_of(page)) == []
    seen = browser.execute_script(LOOK, "en")
    judge_page(seen)
    assert [e for e in browser.get_log("browser") if "favicon" not in e["message"]] == []
    assert [link for link in seen["links"] if not ALLOWED_LINKS.fullmatch(link)] == []


# -- in a spreadsheet, and in a terminal --------------------------------------------------------


def test_no_cell_of_the_gradebook_is_a_formula(graded: Graded) -> None:
    text = (graded.folder / "gradebook.csv").read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(graded.students)
    for row in rows:
        for cell in row.values():
            number = re.fullmatch(r"-?\d+(\.\d+)?", cell)
            assert number or not cell.lstrip().startswith(("=", "+", "-", "@"))
    assert any(row["student"].startswith("'=HYPERLINK") for row in rows)


SENT_BY_RICH = re.compile(r"\x1b\[[0-9;]*[mKAG]|\x1b\[\?25[lh]")
OF_A_TERMINAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u200b\u2066\u2067]")


def test_nobody_drives_the_terminal_of_whoever_grades(graded: Graded) -> None:
    said = SENT_BY_RICH.sub("", graded.terminal)
    assert OF_A_TERMINAL.findall(said) == []
    assert "[red]x[blink]" in said, "a student id is no markup"
    assert f"{len(graded.students)} graded" in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SAMPLES)
def test_nobody_drives_the_terminal_of_whoever_checks(
    graded: Graded, name: str, language: str
) -> None:
    file = io.StringIO()
    Console(file=file, force_terminal=True, width=120, color_system="truecolor").print(
        student_view(graded.report(name), language=language)
    )
    said = SENT_BY_RICH.sub("", file.getvalue())
    assert set(OF_A_TERMINAL.findall(said)) <= {"\u2066", "\u2067"}, "our own isolates only"


# -- secrets -----------------------------------------------------------------------------------


def test_no_file_that_is_written_repeats_a_secret(graded: Graded) -> None:
    runs = graded.folder / ".grading" / "runs"  # as they were, for nobody but the grader
    assert runs.stat().st_mode & 0o077 == 0
    files = [p for p in graded.folder.rglob("*") if p.is_file() and not p.is_relative_to(runs)]
    kinds = {path.name for path in files}
    assert {"report.json", "feedback.html", "gradebook.csv", "index.html", "similar.html"} <= kinds
    assert HIDDEN in (graded.folder / "similar.html").read_text("utf-8")
    everything = b"\n".join(path.read_bytes() for path in files).decode()
    # Nor half of one, which is what a cut in its middle would leave.
    halves = [(n, h) for n, s in SECRETS.items() for h in (s[: len(s) // 2], s[-len(s) // 2 :])]
    assert [name for name, half in halves if half in everything] == []
    report = graded.report("secrets")
    assert "secrets-left" in {notice.id for notice in report.warnings}
    assert report.score.points == 10, "and what the answers are worth stays as it is"
    borrowed = graded.report("borrowed-secrets")
    assert "[redacted]" in json.dumps(
        [c.evidence for q in borrowed.questions for p in q.parts for c in p.checks]
    )
    text = json.dumps([report.cells[0].source, *(o.data for o in report.cells[0].outputs)])
    assert text.count("[redacted]") >= len(SECRETS)
    shown = (graded.folder / graded.students["secrets"] / "feedback.html").read_text("utf-8")
    assert HIDDEN in shown, "what stands beside a secret is shown"
