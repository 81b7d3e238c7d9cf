"""The main job in a real browser: ask, cut the cloud, ask again, and watch the band and the line turn."""

import re

import pytest
from playwright.sync_api import expect

PILOT_QUESTION = "What should I do when the cloud is down?"


def ask(page, question):
    answers = page.locator(".turn--answer").count()
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    return finished(page, answers + 1)


def finished(page, number):
    expect(page.locator(".turn--answer[data-end=finished]")).to_have_count(number, timeout=60_000)
    return page.locator(".turn--answer").last


def test_cut_the_cloud_ask_again_and_restore_it(evaluation, open_page):
    page = open_page()
    expect(page.locator(".band")).to_have_attribute("data-state", "connected")
    expect(page.locator("#demo .line")).to_have_attribute("data-carries", "cloud")

    answer = ask(page, "How do I translate a sentence?")
    expect(answer.locator(".turn-note")).to_contain_text("Answered by the cloud model demo-cloud-large")
    expect(answer.locator(".turn-text")).to_contain_text("demo cloud")

    page.get_by_role("button", name="Cut the cloud").click()
    expect(page.get_by_role("button", name="Restore the cloud")).to_be_visible()
    answer = ask(page, PILOT_QUESTION)
    expect(answer.locator(".turn-note")).to_contain_text("inside the building by pilot-light, a small emergency model")

    # Without a reload: the band, its words and the line turn by themselves.
    expect(page.locator(".band")).to_have_attribute("data-state", "offline")
    expect(page.locator(".band")).to_contain_text("The cloud has been out of reach since")
    expect(page.locator("#demo .line")).to_have_attribute("data-carries", "local")

    page.get_by_role("button", name="Restore the cloud").click()
    expect(page.locator(".band")).to_have_attribute("data-state", "connected", timeout=60_000)
    expect(page.locator("#demo .line")).to_have_attribute("data-carries", "cloud")
    answer = ask(page, "And now?")
    expect(answer.locator(".turn-note")).to_contain_text("Answered by the cloud model")


def test_the_same_without_javascript(evaluation, open_page):
    page = open_page(java_script_enabled=False)

    def ask_plainly(question):
        page.locator("#question").fill(question)
        page.get_by_role("button", name="Ask", exact=True).click()
        page.wait_for_url("**/c/*")
        return page.locator(".turn--answer").last

    note = ask_plainly("How do I translate a sentence?").locator(".turn-note")
    expect(note).to_contain_text("Answered by the cloud model demo-cloud-large")

    page.get_by_role("button", name="Cut the cloud").click()
    note = ask_plainly(PILOT_QUESTION).locator(".turn-note")
    expect(note).to_contain_text("inside the building by pilot-light")
    evaluation.until_state("offline")
    page.reload()
    expect(page.locator(".band")).to_have_attribute("data-state", "offline")
    assert page.locator(".turn--question").count() == 2, "a reload asks nothing again"

    page.get_by_role("button", name="Restore the cloud").click()
    evaluation.until_state("connected")
    page.reload()
    expect(page.locator(".band")).to_have_attribute("data-state", "connected")


def test_a_cut_in_the_middle_of_an_answer_shows_the_seam_or_says_that_it_is_cut(evaluation, open_page):
    page = open_page()
    page.locator("#question").fill("What should we do in an outage?")
    page.locator("#question").press("Enter")
    expect(page.locator(".turn--working .turn-text")).to_contain_text("demo cloud")
    page.get_by_role("button", name="Cut the cloud").click()
    expect(page.locator(".turn--working")).to_have_count(0, timeout=60_000)
    seamed = page.locator(".turn--answer .seam")
    cut = page.locator(".turn--answer[data-end=cut]")
    finished_whole = page.locator(".turn--answer[data-end=finished]")
    expect(seamed.or_(cut).or_(finished_whole).first).to_be_visible()
    if seamed.count():
        expect(page.locator(".turn-note").last).to_contain_text("Begun by demo-cloud-large. Finished inside the building")


def test_stop_keeps_what_came_and_marks_it_as_cut(open_page):
    page = open_page()
    page.locator("#question").fill("What should we do in an outage?")
    page.locator("#question").press("Enter")
    expect(page.locator(".turn--working .turn-text")).to_contain_text("demo")
    page.get_by_role("button", name="Stop").click()
    answer = page.locator(".turn--answer[data-end=cut]")
    expect(answer).to_contain_text("This answer was cut off. It is not finished.")
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".turn--answer[data-end=finished]")).to_have_count(1, timeout=60_000)
    assert page.locator(".turn--question").count() == 1


def test_shift_enter_begins_a_new_line_and_markup_is_text(open_page):
    page = open_page()
    question = page.locator("#question")
    question.press_sequentially("<b>one</b>")
    question.press("Shift+Enter")
    question.press_sequentially("two")
    question.press("Enter")
    finished(page, 1)
    assert page.locator(".turn--question .turn-text").inner_text() == "<b>one</b>\ntwo"


@pytest.mark.parametrize("path", ["/", "/status", "/outages", "/second-look"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_its_window(open_page, path, width):
    page = open_page(path, viewport={"width": width, "height": 740}, locale="ko-KR")
    assert page.locator("html").get_attribute("lang") == "ko"
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_language_is_chosen_on_any_page(open_page):
    page = open_page("/status")
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("h1")).to_have_text("운영 현황")
    assert page.url.endswith("/status")
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_have_text("Status")


def test_the_status_page_follows_the_cut(evaluation, open_page):
    page = open_page("/status")
    expect(page.locator("#upstreams tbody tr")).to_have_attribute("data-breaker", "closed")
    page.get_by_role("button", name="Cut the cloud").click()
    expect(page.locator("#upstreams tbody tr")).not_to_have_attribute("data-breaker", "closed")
    expect(page.locator("#now .line")).to_have_attribute("data-carries", "local")
    expect(page.locator("#events")).to_contain_text("cloud out of reach")


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_the_report_of_an_outage_is_printed_on_one_sheet(evaluation, open_page, locale):
    page = open_page()
    page.get_by_role("button", name="Cut the cloud").click()
    ask(page, PILOT_QUESTION)
    evaluation.until_state("offline")
    evaluation.restore()
    report = open_page("/outages", locale=locale)
    report.locator("#outages tbody a").first.click()
    expect(report.locator("#requests")).to_contain_text("local/pilot-light")
    sheet = report.pdf(prefer_css_page_size=True)
    assert sheet.count(b"/Type /Page\n") == 1
    width, height = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", sheet).groups()
    assert (round(float(width)), round(float(height))) == (595, 842), "A4, in points"
    report.emulate_media(media="print")
    expect(report.locator(".masthead")).to_be_hidden()
    expect(report.locator(".print-head")).to_contain_text("Harbor Hospital · ")
    expect(report.locator(".print-head")).to_contain_text("kim")


def test_an_answer_of_an_outage_waits_for_a_second_look_until_somebody_marks_it(evaluation, open_page):
    page = open_page()
    page.get_by_role("button", name="Cut the cloud").click()
    ask(page, PILOT_QUESTION)
    evaluation.restore()
    page.goto(f"{evaluation.url}/second-look")
    newest = page.locator("#looks tbody tr").first
    request = newest.get_attribute("data-request")
    assert PILOT_QUESTION not in page.content()
    newest.get_by_role("button").click()
    expect(page.locator(f"[data-request='{request}']")).to_have_count(0)
    page.goto(f"{evaluation.url}/second-look?all=yes")
    expect(page.locator(f"[data-request='{request}']")).to_contain_text("kim")
