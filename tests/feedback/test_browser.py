"""Cards and class pages in a real Chromium: for eyes, keyboards, screen readers and printers."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core_python.selenium import Axe
from msgspec.structs import replace
from pypdf import PdfReader
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from grader.feedback import Occasion, render_card, render_index
from grader.report import Report
from tests.browser import started
from tests.feedback.reports import a_class
from tests.feedback.test_card import hostile

pytestmark = pytest.mark.browser

PAGES = ("card", "index", "hostile")
PHONE, DESK = 390, 1280


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, report: Report, occasion: Occasion) -> Path:
    """The pages as files, in both orders of languages."""
    made = tmp_path_factory.mktemp("pages")
    students = a_class(12)
    for languages in (("fa", "en"), ("en", "fa")):
        first = languages[0]
        for name, html in (
            ("card", render_card(report, languages=languages, occasion=occasion)),
            ("index", render_index(students, languages=languages, occasion=occasion)),
            ("hostile", render_card(hostile(), languages=languages)),
        ):
            (made / f"{name}-{first}.html").write_text(html, "utf-8")
    return made


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Path:
    """Where pages are left to be looked at: `.pytest_cache/d/pages`, new with every run."""
    assert request.config.cache is not None
    return request.config.cache.mkdir("pages")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    chrome = started(tmp_path_factory.mktemp("profile"))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def scriptless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser whose reader has turned scripts off."""
    chrome = started(tmp_path_factory.mktemp("profile"), "--blink-settings=scriptEnabled=false")
    yield chrome
    chrome.quit()


def look(browser: Chrome, path: Path, *, theme: str = "light", width: int = DESK) -> None:
    """Open a page as a reader with that taste and that screen does."""
    features = [
        {"name": "prefers-color-scheme", "value": theme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.get(path.as_uri())


def said(browser: Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("page", ["card", "index"])
def test_axe_finds_no_violation(
    browser: Chrome, folder: Path, page: str, language: str, theme: str
) -> None:
    look(browser, folder / f"{page}-{language}.html", theme=theme)
    found = Axe().run(browser)["violations"]
    told = [
        f"{v['id']} ({v['impact']}): {v['help']}: {[n['html'][:160] for n in v['nodes'][:3]]}"
        for v in found
    ]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_asked_of_any_other_place_and_the_console_is_silent(
    browser: Chrome, folder: Path, page: str
) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    look(browser, folder / f"{page}-fa.html")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if url.startswith("file:")] == [
        (folder / f"{page}-fa.html").as_uri()
    ]
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [320, PHONE, DESK])
@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("page", PAGES)
def test_no_screen_is_too_narrow(
    browser: Chrome, folder: Path, pictures: Path, page: str, language: str, width: int
) -> None:
    look(browser, folder / f"{page}-{language}.html", width=width)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    whole = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"}
    )
    picture = pictures / f"{page}-{language}-{width}.png"
    picture.write_bytes(base64.b64decode(whole["data"]))


def test_the_language_is_switched_without_script(scriptless: Chrome, folder: Path) -> None:
    look(scriptless, folder / "card-fa.html")
    assert "نخست این را درست کنید" in said(scriptless)
    assert "Fix this first" not in said(scriptless)
    scriptless.find_element(By.CSS_SELECTOR, "label:has(#to-en)").click()
    assert "Fix this first" in said(scriptless)
    assert "نخست این را درست کنید" not in said(scriptless)


def test_the_theme_is_switched_without_script(scriptless: Chrome, folder: Path) -> None:
    def paper() -> str:
        return scriptless.find_element(By.TAG_NAME, "body").value_of_css_property(
            "background-color"
        )

    look(scriptless, folder / "card-fa.html", theme="light")
    light = paper()
    scriptless.find_element(By.CSS_SELECTOR, "label:has(#theme-dark)").click()
    dark = paper()
    assert dark != light
    look(scriptless, folder / "card-fa.html", theme="dark")
    assert paper() == dark
    scriptless.find_element(By.CSS_SELECTOR, "label:has(#theme-light)").click()
    assert paper() == light


def test_the_class_page_is_complete_without_script(scriptless: Chrome, folder: Path) -> None:
    look(scriptless, folder / "index-en.html")
    text = said(scriptless)
    for student in a_class(12):
        assert student.student in text
    assert "Most frequent misconceptions" in text
    assert not scriptless.find_element(By.CSS_SELECTOR, ".in-en .filter").is_displayed()


def test_the_keyboard_reaches_the_questions_and_the_language(browser: Chrome, folder: Path) -> None:
    look(browser, folder / "card-en.html")
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.text == "Skip to the questions"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.current_url.endswith("#en-questions")
    look(browser, folder / "card-en.html")
    ActionChains(browser).send_keys(Keys.TAB, Keys.TAB, Keys.ARROW_RIGHT).perform()
    assert browser.switch_to.active_element.get_attribute("id") == "to-fa"
    assert "نخست این را درست کنید" in said(browser)


def test_a_link_to_a_cell_lands_on_its_code(browser: Chrome, folder: Path) -> None:
    look(browser, folder / "card-en.html")
    link = browser.find_element(By.CSS_SELECTOR, ".in-en .check .aside a[href='#cell-4']")
    browser.execute_script("arguments[0].click()", link)
    cell = browser.find_element(By.ID, "cell-4")
    assert "def conv2d_weight_gradient(X, dY):" in cell.text
    assert cell.value_of_css_property("scroll-margin-top") != "0px"


def test_a_long_word_does_not_widen_the_page(browser: Chrome, folder: Path, report: Report) -> None:
    endless = folder / "endless.html"
    endless.write_text(
        render_card(replace(report, student="a" * 400, notebook="ب" * 400)), encoding="utf-8"
    )
    look(browser, endless, width=PHONE)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE


@pytest.mark.parametrize("language", ["fa", "en"])
def test_print_shows_what_is_folded_and_leaves_out_the_switches(
    browser: Chrome, folder: Path, pictures: Path, language: str
) -> None:
    look(browser, folder / f"card-{language}.html", theme="dark")
    pdf = base64.b64decode(
        browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    )
    (pictures / f"card-{language}-print.pdf").write_bytes(pdf)
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    assert "softmax_calls" in text, "the evidence of a check that passed is folded on the screen"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not [
        element
        for element in browser.find_elements(By.CSS_SELECTOR, ".bar, .skip, .switch")
        if element.is_displayed()
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_students_can_be_sorted_and_found(browser: Chrome, folder: Path) -> None:
    look(browser, folder / "index-en.html")
    table = browser.find_element(By.CSS_SELECTOR, ".in-en table.students")

    def column(number: int) -> list[str]:
        cells = table.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({number})")
        return [cell.text for cell in cells if cell.is_displayed()]

    header = table.find_element(By.CSS_SELECTOR, "th:nth-child(2) button")
    header.click()
    scores = [float(score) for score in column(2)]
    assert scores == sorted(scores)
    header.click()
    assert [float(score) for score in column(2)] == sorted(scores, reverse=True)
    assert (
        table.find_element(By.CSS_SELECTOR, "th:nth-child(2)").get_attribute("aria-sort")
        == "descending"
    )
    wanted = a_class(12)[5].student
    persian = wanted.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    browser.find_element(By.CSS_SELECTOR, ".in-en .filter input").send_keys(persian)
    assert column(1) == [wanted]
    assert browser.find_element(By.CSS_SELECTOR, ".in-en .filter output").text == "1 of 12"
