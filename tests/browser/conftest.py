"""One evaluation box and one browser for the whole run; each test finds the cloud connected and leaves it so."""

import os
import shutil

import pytest
from evaluation import Evaluation
from playwright.sync_api import expect, sync_playwright

# A page asks for news every 5 seconds.
expect.set_options(timeout=15_000)

PASSWORD = "four plain words here"
# Nothing in the browser may look for the internet, and QUIC would go around the loopback proxy of a test machine.
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    found = os.environ.get("CHROMIUM_BIN") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.fail("no Chromium: apt-get install chromium, or set CHROMIUM_BIN")
    return found


@pytest.fixture(scope="session")
def evaluation():
    evaluation = Evaluation()
    yield evaluation
    evaluation.stop()


@pytest.fixture(scope="session")
def chromium():
    # Chromium refuses its own sandbox to root, which a container's tests usually are.
    arguments = ARGUMENTS + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def owner_cookies(evaluation, chromium):
    """Makes the owner's account through the setup page, once, and gives the session's cookies."""
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    page.goto(f"{evaluation.url}/")
    assert page.url.endswith("/setup"), "until there is an owner every page leads to the setup"
    page.get_by_label("Setup code").fill(evaluation.setup_code())
    page.get_by_label("Account name").fill("kim")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password, once more").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_selector("#ask")
    cookies = context.cookies()
    context.close()
    return cookies


@pytest.fixture
def open_page(evaluation, chromium, owner_cookies):
    """Opens a signed-in page; keywords go to the browser context. Ends with the cloud restored."""
    contexts, complaints = [], []

    def opened(path="/", **options):
        context = chromium.new_context(**{"locale": "en-US", **options})
        context.add_cookies(owner_cookies)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(evaluation.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    evaluation.restore()
    assert not complaints, "the browser found something wrong with a page"
