"""Links, anchors and quoted messages of the documents: what they point to exists."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "engine" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TROUBLES = re.findall(r"^### `(.+)`$", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
SOURCES = [*(ROOT / "densenet_sweep").rglob("*.py"), *(ROOT / "engine" / "hydra_async_sweeper").rglob("*.py")]


def text_of(page: Path) -> str:
    """Return the page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of the page's headings, as code hosts and `mkdocs.yml` make them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def written(sources: list[Path]) -> str:
    """Return the texts of the sources, strings that stand side by side joined."""
    return "".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8")) for path in sources)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_and_anchor_exists(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.is_file(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_is_reached_from_the_readme():
    reached, pages = set(), [ROOT / "README.md"]
    while pages:
        page = pages.pop()
        reached.add(page)
        linked = {(page.parent / name).resolve() for name in re.findall(r"\]\(([^)#:\s]+\.md)", text_of(page))}
        pages += [path for path in linked if path in PAGES and path not in reached]
    assert set(PAGES) <= reached


def test_the_menu_names_pages_that_exist():
    menu = yaml.safe_load(re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))["nav"]
    assert all((ROOT / path).is_file() for entry in menu for path in entry.values())


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.parametrize("message", TROUBLES)
def test_a_quoted_message_is_in_the_sources(message):
    sources = written(SOURCES)
    missing = [part for part in re.split("…", message) if part.strip() and part not in sources]
    assert not missing


def test_there_are_twenty_messages():
    assert len(set(TROUBLES)) == len(TROUBLES) >= 20
