"""A resident opens her home in a browser, logs in with the initial password, and Assist answers what she types.

Nothing is told to the browser but where the ingress listens and which authority signs in this cluster: it checks the
certificate as any browser does.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from playwright.async_api import Locator, Page, async_playwright, expect
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from e2e.house import QUESTION, Home
from insula.cli import cluster
from insula.services import asking, tracing
from insula.services.asking import Account, Door

CHROMIUM: Final = os.environ.get("INSULA_E2E_CHROMIUM", "/usr/bin/chromium")
BUILD: Final = Path(__file__).parents[2] / "build" / "e2e"
PAGE_TIMEOUT_MS: Final = 60_000  # the first load brings the whole frontend over two shared cores
ANSWER_TIMEOUT_MS: Final = 120_000
SAYING_MS: Final = 5_000

# A browser that speaks to this home alone: nothing in the background, no other protocol, no sandbox of its own, for
# which root would be refused.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@contextlib.asynccontextmanager
async def a_browser(door: Door, profile: Path) -> AsyncIterator[Page]:
    """Open a page in a browser that trusts the home's authority and finds its host at the ingress."""
    await trust(door.ca_pem, profile)
    rules = f"--host-resolver-rules=MAP {door.host} {door.address}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, rules], env={**os.environ, "HOME": str(profile)}
        )
        try:
            page = await browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
            page.set_default_timeout(PAGE_TIMEOUT_MS)
            yield page
        finally:
            await browser.close()


async def trust(ca_pem: str, profile: Path) -> None:
    """Put an authority into the certificate store that Chromium reads in its home directory."""
    store = profile / ".pki" / "nssdb"
    store.mkdir(parents=True)
    (profile / "ca.pem").write_text(ca_pem, encoding="ascii")
    where = ("-d", f"sql:{store}")
    for words in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "home", "-i", str(profile / "ca.pem"))):
        process = await asyncio.create_subprocess_exec("certutil", *where, *words)
        assert await process.wait() == 0


async def log_in(page: Page, door: Door, account: Account) -> None:
    """Log in on Home Assistant's own page."""
    await page.goto(door.url)
    await page.locator("input[name=username]").fill(account.username)
    await page.locator("input[name=password]").fill(account.password)
    await page.get_by_role("button", name="Log in").click()
    await page.locator("ha-sidebar").wait_for()


async def open_assist(page: Page, box: Locator) -> None:
    """Open Assist by its key, again until the frontend has loaded what listens to it."""
    async with asyncio.timeout(PAGE_TIMEOUT_MS / 1000):
        while not await box.is_visible():
            await page.keyboard.press("a")
            with contextlib.suppress(PlaywrightTimeoutError):
                await box.wait_for(timeout=3000)


async def say(page: Page, chat: Locator, sentence: str) -> None:
    """Say a sentence once. A frontend that still loads may close the dialog again; then nothing was said."""
    box, said = chat.locator("input"), chat.locator(".message.user")
    async with asyncio.timeout(PAGE_TIMEOUT_MS / 1000):
        while True:
            await open_assist(page, box)
            if await said.count() == 0:
                with contextlib.suppress(PlaywrightTimeoutError):
                    await box.fill(sentence, timeout=SAYING_MS)
                    await box.press("Enter", timeout=SAYING_MS)
            with contextlib.suppress(PlaywrightTimeoutError):
                await said.filter(has_text=sentence).wait_for(timeout=SAYING_MS)
                return


async def ask(page: Page, sentence: str) -> str:
    """Type a sentence into Assist and return what the bubble with the answer says in the end."""
    chat = page.locator("ha-assist-chat")
    await say(page, chat, sentence)
    answers = chat.locator(".message.hass")
    await expect(answers).to_have_count(2)  # the greeting, and the answer
    # While words still come, the bubble ends with an ellipsis.
    await expect(answers.last).to_have_text(re.compile(r"[^\s.…][^…]*$"), timeout=ANSWER_TIMEOUT_MS)
    assert "error" not in (await answers.last.get_attribute("class") or "").split()
    # The bubble shows Markdown, which is drawn in an element of its own.
    return (await answers.last.locator("ha-markdown-element").inner_text()).strip()


async def test_a_resident_logs_in_and_assist_answers_what_she_types(alice: Home, tmp_path: Path) -> None:
    async with cluster.connect() as client:
        door = await asking.find_door(client, alice.name)
        account = await asking.resident_account(client, alice.name)
        before = {trace.request_id for trace in await tracing.requests(client, alice.name)}
        async with a_browser(door, tmp_path) as page:
            await log_in(page, door, account)
            answer = await ask(page, QUESTION)
            await page.screenshot(path=BUILD / "assist-answers.png")
        assert answer
        # The answer came through the gateway from the tenant's own model, not from built-in sentences.
        news = [trace for trace in await tracing.requests(client, alice.name) if trace.request_id not in before]
        assert any((trace.eval_count or 0) > 0 and trace.model_digest for trace in news)
