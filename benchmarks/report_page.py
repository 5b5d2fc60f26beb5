"""Milliseconds until the next frame after sorting, selecting, pointing and brushing in the report of 2,000 trials.

    python benchmarks/report_page.py

Opens the page of a made-up study in Chromium without a GPU, where all is drawn by the processor. Each action is timed from its
event to the frame that shows it; "nothing" is the time of a frame in which nothing changes.
"""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import optuna
from compare_large_store import made_up_trial
from playwright.sync_api import sync_playwright

from densenet_sweep.drawing import png
from densenet_sweep.report import page as report
from densenet_sweep.results.from_optuna import read_study

_ACTIONS = {
    "nothing": "",
    "sort by a number": "document.querySelectorAll('.trials th button')[1].click()",
    "search": "search.value = ['12', '22', ''][round % 3]; search.oninput()",
    "select a trial": "selection.toggle(round)",
    "paint all lines": "lines.paint()",
    "brush an axis": "lines.ranges.set(0, [0.1 + round / 10, 0.7]); lines.mark(0); lines.choose()",
    "point at a line": "lines.hover({buttons: 0, clientX: box.left + box.width * (0.2 + round / 12), clientY: middle})",
    "show 50 more": "document.querySelector('.trials-here > button').click()",
    "sort what is shown": "document.querySelectorAll('.trials th button')[1].click()",
}
_TIMED = """async (rounds) => {{
    const search = document.querySelector('input[type=search]'), selection = selections.get('study-0'), found = [];
    const lines = [...pictures.values()].find((it) => it.strips);
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    if ({isLines}) lines.place.scrollIntoView(); else scrollTo(0, 0);
    for (let round = 0; round < rounds; round++) {{
        for (let rest = 0; rest < 20; rest++) await frame();
        const box = lines.canvas.getBoundingClientRect(), since = performance.now();
        const middle = box.top + box.height / 2;
        {action};
        await frame();
        found.push(performance.now() - since);
    }}
    return found;
}}"""


def main() -> None:
    """Make the page, open it and print a line an action."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", type=Path, help="the file of a report, to time it instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = arguments.page or _written(Path(folder) / "report.html", arguments.trials)
        executable = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=executable, args=["--disable-gpu"], chromium_sandbox=False)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(path.resolve().as_uri())
        page.wait_for_selector("html[data-drawn]", timeout=120_000)
        print(f"{'all drawn':18} {page.evaluate('performance.now()') / 1000:.1f} s")
        for name, action in _ACTIONS.items():
            is_lines = "lines" in action
            found = page.evaluate(_TIMED.format(action=action, isLines=str(is_lines).lower()), arguments.rounds)
            print(f"{name:18} median {statistics.median(found):4.0f} ms, most {max(found):4.0f} ms", flush=True)
        browser.close()


def _written(path: Path, count: int) -> Path:
    random = np.random.default_rng(0)
    study = optuna.create_study(study_name=f"{count} trials", direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    study.add_trials([made_up_trial(random, number) for number in range(count)])
    with patch.object(png, "draw", return_value=b""):  # a browser with scripts shows none of these
        report.write(path, [report.Reported(read_study(study))])
    return path


if __name__ == "__main__":
    main()
