"""Chromium for tests, without a window and without anything of its own to say to the network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService


def program(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.fail(
        f"The browser tests need {' or '.join(names)}. Install Chromium and its driver "
        "(Debian: apt install chromium chromium-driver), or leave them out: pytest -m 'not browser'",
        pytrace=False,
    )


def started(profile: Path, *arguments: str) -> Chrome:
    options = ChromeOptions()
    options.binary_location = program("chromium", "google-chrome", "chrome")
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", f"--user-data-dir={profile}", *arguments,
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=ChromeService(program("chromedriver")))
    chrome.set_script_timeout(600)  # axe is slow where much else runs
    return chrome
