"""A headless Chromium, in which a test opens pages of this machine and keeps screenshots for people to look at."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

# Where a search finds Debian's Chromium, and what other systems call it.
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing leaves this machine, whatever a page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
# A page is given so long to show what a test waits for: machines are busy. Nothing waits longer than it must.
_PATIENCE_MS = 30_000


def _executable() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The one browser of all tests here, which is there; ask for `browser` instead."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_executable(), args=list(_QUIET), chromium_sandbox=False)
        yield running
        running.close()


@pytest.fixture
def browser(request: pytest.FixtureRequest, unavailable: Callable[[str], None]) -> Browser:
    """A headless browser; a test that has none is skipped, see the marker `real`."""
    if _executable() is None:
        unavailable(f"none of {', '.join(_NAMES)} is installed")
    started: Browser = request.getfixturevalue("chromium")
    return started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of its own, without cookies; `page.goto(uri)` opens one, a file's with `Path.as_uri()`."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(_PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def screenshot(page: Page, project: Path) -> Callable[[str], Path]:
    """Keep what `page` shows as `outputs/screenshots/NAME.png`."""

    def keep(name: str) -> Path:
        path = project / "outputs" / "screenshots" / f"{name}.png"
        page.screenshot(path=path, animations="disabled")
        return path

    return keep
