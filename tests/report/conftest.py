from __future__ import annotations

import shutil

import pytest
import sample
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


@pytest.fixture(scope="session")
def findings():
    return sample.findings()


@pytest.fixture(scope="session")
def small(findings):
    """Two of the conditions, for tests that write many pages."""
    kept = tuple(findings.condition(name) for name in ("topk-random@centre", "ra-topk-shared@centre"))
    return findings.model_copy(update={"conditions": kept})


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.fail("no browser: these tests need Chromium; run  apt-get install -y chromium fonts-dejavu-core")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()
