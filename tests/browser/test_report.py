"""The report of a study, opened from a file as whoever got it by mail opens it."""

import threading
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from densenet_sweep.report import live
from densenet_sweep.report import page as report
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.study import Study

pytestmark = pytest.mark.real("browser")

DISTRIBUTIONS = {
    "architecture.growth_rate": IntDistribution(4, 24, step=4),
    "architecture.depth": IntDistribution(10, 40, step=6),
    "optimizer.lr": FloatDistribution(0.01, 1, log=True),
}


@pytest.fixture(scope="module")
def study() -> Study:
    """A study of 60 trials that nobody has trained."""
    study = optuna.create_study(study_name="growth & <depth>", direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    for index in range(60):
        params = {
            "architecture.growth_rate": 4 + 4 * (index * 7 % 6),
            "architecture.depth": 10 + 6 * (index * 5 % 11 % 6),
            "optimizer.lr": 0.01 * 100 ** (index * 13 % 60 / 60),
        }
        final = 0.9 + params["architecture.growth_rate"] / 1000 - (params["optimizer.lr"] - 0.1) ** 2 / 10
        state = "FAIL" if index % 20 == 7 else "PRUNED" if index % 3 == 1 else "COMPLETE"
        curve = [final - 0.2 / epoch**2 for epoch in range(1, 10 if state == "COMPLETE" else 4)]
        study.add_trial(
            create_trial(
                state=TrialState[state],
                value=None if state == "FAIL" else curve[-1],
                params=params,
                distributions=DISTRIBUTIONS,
                intermediate_values=dict(enumerate(curve, start=1)),
                user_attrs={
                    "num_parameters": 1000 * params["architecture.growth_rate"],
                    "seconds": len(curve) * 2.5 + index / 10,
                    "num_steps": 9,
                    "num_valid": 6000,
                },
            )
        )
    return read_study(study)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, study: Study) -> Path:
    """Its report."""
    path = tmp_path_factory.mktemp("report") / "it.html"
    tags = {"git.commit": "0123456789abcdef", "device.name": "a processor", "torch.version": "2.12"}
    report.write(path, [report.Reported(study, "densenet-sweep sweep=growth_depth_lr", tags)])
    return path


def opened(page, file: Path) -> list[str]:
    """Open the report, wait until all is drawn, and return what the browser complained of or wanted from elsewhere."""
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: noise.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-drawn]")
    return noise


def whole(page, width: int) -> None:
    """Make the window as high as the page, for a screenshot of all of it."""
    page.set_viewport_size({"width": width, "height": page.evaluate("document.documentElement.scrollHeight")})


def overflow(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_picture_is_drawn_without_the_network(page, screenshot, file, scheme):
    page.emulate_media(color_scheme=scheme)
    assert opened(page, file) == []
    assert page.locator("h1").inner_text() == "Sweep growth & <depth>"
    assert page.locator("figure").count() == 12
    assert page.locator("figure.drawn").count() == 12
    assert page.locator(".panels .js-plotly-plot").count() == 1 + 1 + 1 + 2 * (1 + 1 + 3) + 2
    assert page.locator(".parallel canvas").count() == 2 * 2
    assert page.locator("figure img").first.is_hidden()
    assert overflow(page) == 0
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    whole(page, 1280)
    screenshot(f"report-{scheme}")


def test_a_pointer_over_a_trial_shows_what_it_was(page, file):
    opened(page, file)
    picture = page.locator("figure", has_text="Best validation accuracy")
    picture.scroll_into_view_if_needed()
    picture.locator(".scatterlayer .point").nth(-1).hover(force=True)
    label = picture.locator(".hoverlayer .hovertext")
    label.wait_for()
    assert "optimizer.lr = " in label.text_content()


def test_marks_stand_in_their_places_without_transforms_and_lines_are_one_path(page, file):
    """Thousands of transforms and clips would make each frame slow."""
    opened(page, file)
    far_off = """async (name) => {
        const place = document.querySelector(`[data-name=${name}] .js-plotly-plot`), found = [];
        const look = () => {
            const {xaxis, yaxis} = place._fullLayout, marks = [...place.querySelectorAll('path.point')];
            found.push(...marks.filter((it) => it.getAttribute('display') !== 'none').map((it) => {
                const box = it.getBBox(), trial = it.__data__;
                return Math.hypot(box.x + box.width / 2 - xaxis.d2p(trial.x), box.y + box.height / 2 - yaxis.d2p(trial.y));
            }));
            found.push(...['path.point[transform]', '.lines :nth-child(2)'].map((it) => place.querySelectorAll(it).length));
        };
        look();
        const [low, high] = place._fullLayout.xaxis.range;
        await Plotly.relayout(place, {'xaxis.range': [low, (low + high) / 2]});
        look();
        await Plotly.restyle(place, {'marker.opacity': 0.5});
        look();
        return [found.length, Math.max(...found)];
    }"""
    for name in ("optimization_history", "slices_early"):
        num, worst = page.evaluate(far_off, name)
        assert num > 60
        assert worst < 1.5  # also of the counts; a triangle's box is not centred on its place


def test_a_trial_is_selected_in_the_table_and_every_picture_and_ranges_filter_the_table(page, file):
    opened(page, file)
    rows = page.locator(".trials tbody tr")
    best = rows.first.locator("td").first.inner_text()
    rows.first.click()
    assert rows.first.get_attribute("aria-selected") == "true"
    history = page.locator("figure", has_text="Best validation accuracy")
    assert history.locator(".marks circle").count() == 1
    assert page.locator(".marks circle").count() >= 8
    rows.nth(1).press("Enter")  # by keyboard, too, and the focus stays
    assert page.evaluate("document.activeElement.dataset.id") == rows.nth(1).get_attribute("data-id")
    assert page.locator(".beside th").nth(1).inner_text() == f"trial {best}"
    assert page.locator(".beside .differs").count() > 2
    page.get_by_label("filter growth_rate").fill("8..12")
    page.get_by_role("button", name="growth_rate").press("Enter")  # the largest first
    assert page.evaluate("document.activeElement.textContent") == "growth_rate"
    page.get_by_role("button", name="show ").click()
    cells = page.locator(".trials tbody tr td:nth-child(5)").all_inner_texts()
    assert set(cells) == {"8", "12"}
    assert cells == sorted(cells, key=int, reverse=True)
    page.get_by_label("filter growth_rate").fill("")
    strip = page.locator(".parallel .axis").first
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    page.mouse.move(box["x"] + 15, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 15, box["y"] + box["height"] / 3)
    page.mouse.up()
    shown, of_all = page.locator(".controls .quiet").inner_text().split(" of ")
    assert 0 < int(shown) < int(of_all) == 60
    page.get_by_role("button", name="clear selection").click()
    history.locator(".scatterlayer .point").nth(-1).click(force=True)
    assert page.locator(".marks circle").count() >= 8


def test_a_page_that_is_served_follows_the_sweep_and_keeps_what_a_viewer_chose(page, study):
    shown = [2]

    def make(version: str) -> str:
        return report.page([report.Reported(replace(study, trials=study.trials[: shown[0]]))], version=version)

    followed = live.LivePage(lambda: shown[0], make)
    server = live._server(followed, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
    page.wait_for_selector("html[data-drawn]")
    assert page.locator("figure").count() < 12
    page.get_by_label("filter growth_rate").fill("4..12")
    page.locator(".trials tbody tr").first.click()
    shown[0] = 60
    followed.look()
    page.wait_for_selector("html[data-updates='1']")
    assert page.locator("figure.drawn").count() == 12
    assert page.locator(".marks circle").count() >= 8
    assert page.get_by_label("filter growth_rate").input_value() == "4..12"
    assert page.locator(".controls .quiet").inner_text() == "30 of 60"
    assert page.locator("#live").inner_text() == "Follows the sweep."
    server.shutdown()
    server.server_close()
    page.get_by_text("No longer served").wait_for()


def test_on_a_phone_one_picture_stands_below_the_other(page, screenshot, file):
    page.set_viewport_size({"width": 390, "height": 844})
    assert opened(page, file) == []
    assert overflow(page) == 0
    lefts = {round(page.locator("figure").nth(index).bounding_box()["x"]) for index in range(12)}
    assert len(lefts) == 1
    whole(page, 390)
    screenshot("report-phone")


def test_on_paper_the_pictures_stand_still(page, file):
    opened(page, file)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for index in range(12):
        assert page.locator("figure img").nth(index).is_visible()
    assert page.locator(".js-plotly-plot:visible").count() == 0
    assert page.locator(".controls:visible, .filters:visible, .trials-here > button:visible").count() == 0


def test_without_scripts_it_has_its_pictures(browser, file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("figure img").first.is_visible()
    assert page.locator("table").first.is_visible()
    context.close()
