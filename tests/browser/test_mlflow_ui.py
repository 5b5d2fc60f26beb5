"""What a user sees of a sweep in MLflow's UI: it is folded, its views open, its trials are compared.

The README's picture is one of the screenshots: cp outputs/screenshots/search.png tests/browser/search.png
"""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from waiting import wait_for

from densenet_sweep.mlflow_ui import saved_views, views

pytestmark = [pytest.mark.real("browser"), pytest.mark.timeout(600)]

DRAWN = {"Search": 4, "Learning curves": 4, "Cost": 3}


def row(page: Page, name: str) -> Locator:
    """Return the row of the run `name` in the table."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=re.compile(rf"^{re.escape(name)}(:|$)")))


def unfolded(page: Page, address: str) -> None:
    """Open the runs, and the sweep among them."""
    page.goto(address)
    row(page, "digits").get_by_role("button").click()
    expect(row(page, "trial 0")).to_be_visible()


def cells(page: Page, column: str) -> Locator:
    return page.locator(f"[col-id='{column}'][role=gridcell]")


def test_a_sweep_is_one_row_with_its_trials_folded_under_it(page, site, screenshot):
    page.goto(site.pages["All runs"])
    expect(row(page, "digits")).to_be_visible()
    for column in (
        "metrics.`valid_accuracy`",
        "tags.`trial.state`",
        "params.`architecture.growth_rate`",
        "params.`optimizer.lr`",
    ):
        expect(cells(page, column)).to_have_count(1)
    expect(row(page, "trial 1")).to_have_count(0)
    screenshot("folded")
    row(page, "digits").get_by_role("button").click()
    for number in range(11):
        expect(row(page, f"trial {number}")).to_be_visible()
    screenshot("unfolded")


def test_the_leaderboard_begins_with_the_best(page, site, screenshot):
    page.goto(site.pages["Leaderboard"])
    expect(page.get_by_test_id("saved-views-trigger")).to_have_text("Leaderboard (✗: pruned or failed): digits")
    rows = page.get_by_role("row").filter(has=page.get_by_role("link", name=re.compile(r"^trial \d+(:|$)")))
    expect(rows).to_have_count(11)
    values = cells(page, "metrics.`valid_accuracy`").all_inner_texts()
    accuracies = [float(text.rstrip("…")) for text in values if text != "-"]
    assert len(accuracies) == 10
    assert accuracies == sorted(accuracies, reverse=True)
    assert set(cells(page, "tags.`trial.state`").all_inner_texts()) == {"complete", "pruned", "failed"}
    screenshot("leaderboard")


@pytest.mark.parametrize("title", DRAWN)
def test_a_view_is_drawn(page, site, screenshot, title):
    page.goto(site.pages[title])
    expect(page.get_by_test_id("saved-views-trigger")).to_have_text(f"{title}: digits")
    area = page.get_by_test_id("experiment-view-compare-runs-chart-area")
    cards = area.get_by_test_id("experiment-view-compare-runs-card")
    expect(cards).to_have_count(DRAWN[title])
    for card in cards.all():  # each is drawn when it comes into sight
        card.scroll_into_view_if_needed()
        expect(card.locator(".parcoords svg, .js-plotly-plot svg.main-svg").first).to_be_visible()
    if title == "Search":
        names = ["architecture.growth_rate", "architecture.depth", "optimizer.lr.log10", "valid_accuracy"]
        expect(cards.first.locator(".parcoords .dimension .label")).to_have_text(names)
    area.evaluate("area => area.scrollTo(0, 0)")
    screenshot(title.lower().replace(" ", "-"))


def test_finalists_are_grouped_by_the_trial_that_they_repeat(page, site, screenshot):
    page.goto(site.pages["Finalists"])
    expect(page.get_by_test_id("saved-views-trigger")).to_have_text("Finalists: digits")
    expect(page.get_by_text("Group: 0")).to_be_visible()
    expect(cells(page, "metrics.`test_accuracy`")).to_have_text(["0.957 (average)", "0.961", "0.953"])
    screenshot("finalists")


def test_two_trials_are_compared_by_what_varied(page, site, screenshot):
    unfolded(page, site.pages["All runs"])
    for number in (0, 1):
        row(page, f"trial {number}").locator(".ag-selection-checkbox input").click()
    page.get_by_role("button", name="Compare").click()
    axes = page.locator(".parcoords .axis-title")
    expect(axes.last).to_have_text("valid_accuracy")
    searched = {"architecture.depth", "architecture.growth_rate", "optimizer.lr", "optimizer.lr.log10"}
    assert set(axes.all_text_contents()[:-1]) <= searched
    screenshot("compare")


def test_a_view_that_is_deleted_in_the_menu_does_not_come_back(page, site):
    cost = views.id_of("digits", "Cost")
    page.goto(site.pages["Leaderboard"])
    page.get_by_test_id("saved-views-trigger").click()
    menu = page.get_by_role("menuitem").filter(has_text=": digits")
    titles = ["Leaderboard", "Search", "Learning curves", "Cost", "Finalists"]
    crosses = " (✗: pruned or failed)"
    expect(menu).to_have_text([f"{title}{crosses * (title == 'Leaderboard')}: digits" for title in titles])
    menu.filter(has_text="Cost").hover()
    page.locator(f"[data-testid$='-delete-{cost}']").click()
    # The menu does not wait for the server, and shows the view again if the server fails.
    with page.expect_response(re.compile("delete-experiment-tag"), timeout=120_000) as deleted:
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    assert deleted.value.ok, deleted.value.text()
    page.get_by_role("dialog").wait_for(state="hidden")
    wait_for(lambda: f"mlflow.sharedViewState.{cost}" not in site.client.get_experiment("1").tags)
    there = saved_views.install(site.client, "1", "digits")
    assert "Cost" not in [view.title for view in there]
    assert not any(cost in key and key.startswith("mlflow.sharedViewState") for key in site.client.get_experiment("1").tags)
