"""A headless Chromium, in which a test opens pages of this machine and saves screenshots for people."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Browser, Page, expect, sync_playwright

from densenet_sweep.tracking import store
from densenet_sweep.tracking.mlflow_record import open_record
from densenet_sweep.tracking.record import State

# Names of Chromium on the PATH: Debian's, and those of other systems.
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No request leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
# How long a page may take to show what a test waits for: long, for busy machines; a test waits no longer than it must.
_PATIENCE_MS = 30_000

# The first five trials are complete; some of the others are pruned.
_SWEEP = (
    "sweep=quickstart",
    "hydra/launcher=basic",
    "hydra/sweeper/pruner=median",
    "data=digits",
    "data.num_train=null",
    "epochs=3",
    "hydra.sweeper.study_name=digits",
    "hydra.sweeper.n_trials=10",
    "tracking.system_metrics=false",
)


def _executable() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The one browser of all tests here, assumed to exist; tests use `browser` instead."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_executable(), args=list(_QUIET), chromium_sandbox=False)
        yield running
        running.close()


@pytest.fixture
def browser(request: pytest.FixtureRequest, unavailable: Callable[[str], None]) -> Browser:
    """A headless browser; without one the test is skipped, see the marker `real`."""
    if _executable() is None:
        unavailable(f"none of {', '.join(_NAMES)} is installed")
    started: Browser = request.getfixturevalue("chromium")
    return started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page without cookies; `page.goto(uri)` opens a URI, `Path.as_uri()` for a file."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    # MLflow opens a chat beside its first page.
    context.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
    yield context.new_page()
    context.close()


@pytest.fixture
def screenshot(page: Page, project: Path) -> Callable[[str], Path]:
    """Save a screenshot of `page` as `outputs/screenshots/NAME.png`."""

    def keep(name: str) -> Path:
        path = project / "outputs" / "screenshots" / f"{name}.png"
        page.screenshot(path=path, animations="disabled")
        return path

    return keep


@dataclass(frozen=True)
class Site:
    """A small sweep served by `densenet-sweep ui`: the addresses that it printed, by what they show, and the store."""

    pages: Mapping[str, str]
    client: MlflowClient


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, commands: Any) -> Iterator[Site]:
    """A real small sweep with complete, pruned and failed trials, and finalists, served by the command that users type."""
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_TRACKING_URI": "sqlite:///mlruns/mlflow.db"}
    words = [sys.executable, "-m", "densenet_sweep"]
    exit_code, output = commands.run(folder, *_SWEEP, MLFLOW_TRACKING_URI=environment["MLFLOW_TRACKING_URI"])
    assert exit_code == 0, output
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"
    client = store.connect(uri)
    for run in client.search_runs(["1"], "tags.`trial.number` = '0'"):
        study_id, parent = run.data.tags["study.id"], run.data.tags["mlflow.parentRunId"]
        _add(uri, "trial 10", run.data.params, {}, {"trial.number": "10"}, "failed", study_name="digits", study_id=study_id)
        for seed, accuracy in ((1000, 0.953), (1001, 0.961)):
            tags = {"confirms": "digits", "confirms.id": study_id, "confirms.trial": "0", "mlflow.parentRunId": parent}
            _add(uri, f"trial 0, seed {seed}", {**run.data.params, "seed": seed}, {"test_accuracy": accuracy}, tags, "complete")
    ui = subprocess.Popen([*words, "ui"], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE)
    assert ui.stdout is not None
    try:
        assert ui.stdout.readline() == "MLflow UI\n"
        lines = iter(ui.stdout.readline, "Ctrl-C ends it.\n")
        yield Site(dict(re.split(r"  +", line.strip()) for line in lines), client)
    finally:
        ui.terminate()
        ui.communicate(timeout=30)


def _add(
    uri: str,
    name: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    state: State,
    study_name: str | None = None,
    study_id: str | None = None,
) -> None:
    """Add a run that is not in the sweep."""
    record = open_record(
        uri=uri,
        artifact_location="unused",
        experiment="densenet_sweep",
        required=True,
        system_metrics=False,
        name=name,
        parameters=parameters,
        tags=tags,
        study_name=study_name,
        study_id=study_id,
        run_id=None,
        numbers={"num_parameters": 43_978},
    )
    record.epoch(metrics, step=3)
    record.finish(state, None)
