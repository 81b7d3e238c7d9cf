"""Signing in with a real browser, which has its own mind about cookies and about where a page may lead."""

from playwright.sync_api import expect


def test_one_click_signs_in_at_the_provider_and_comes_back_to_the_page(evaluation, chromium, owner_cookies):
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    complaints = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{evaluation.url}/outages")
    page.get_by_role("link", name="Sign in with Harbor ID").click()
    page.wait_for_url(f"{evaluation.url}/outages")
    expect(page.locator(".masthead-person")).to_have_text("lee")
    page.locator(".masthead-person").click()
    expect(page.locator("#no-password")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#sign-in")).to_be_visible()
    context.close()
    assert not complaints, "the browser found something wrong with a page"
