"""`confirm --leave-out`: from a sweep over a table of pictures to a result for each site, in this process."""

import json
import math
from statistics import mean, stdev

import numpy as np
import optuna
import pandas as pd
import pytest
from hydra_async_sweeper.study.storage import open_storage
from PIL import Image

from densenet_sweep.confirm import pairs
from densenet_sweep.python_api.model import of_run

TINY = ("device=cpu", "precision=fp32", "tracking=none", "hydra/launcher=basic")
SWEEP = (
    "sweep=growth_depth_lr", *TINY, "data=image_table", "data.table=pictures.csv", "data.image_size=8", "data.num_channels=1",
    "architecture.depth=10", "architecture.growth_rate=choice(2)", "rungs=[]", "epochs=1", "hydra/sweeper/pruner=none",
    "hydra.sweeper.study_name=sites", "hydra.sweeper.n_trials=1", "hydra.sweeper.enqueue=null",
)  # fmt: skip


def paint(folder):
    """Make 40 pictures of two classes from two sites, and their table."""
    random = np.random.default_rng(0)
    rows = []
    for index in range(40):
        Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{index}.png")
        site = "St. Mary's" if index < 24 else "07"
        rows.append({"path": f"{index}.png", "label": "ab"[index % 2], "site": site, "patient": index // 2})
    pd.DataFrame(rows).to_csv(folder / "pictures.csv", index=False)


def test_the_best_is_trained_without_each_site_and_tested_on_it(command, tmp_path):
    paint(tmp_path)
    swept = command(*SWEEP)
    assert swept.exit_code == 0, swept.err
    refused = command("confirm", "sites", "--leave-out", "sight", *TINY)
    assert "has no column sight; it has path, label, site, patient" in refused.err
    assert "--seeds 2: is not accepted beside --leave-out" in command("confirm", "sites", "--leave-out=site", "--seeds=2").err
    typed = command("confirm", "sites", "--leave-out", "site", *TINY)
    assert typed.exit_code == 0, typed.err
    folder = tmp_path / "outputs" / "confirmations" / "sites-without-each-site-of-1"
    trials = optuna.load_study(study_name=folder.name, storage=open_storage(None, folder)).trials
    assert [trial.user_attrs["num_test"] for trial in trials] == [24, 16]
    kept = json.loads((folder / "confirmation.json").read_text())
    assert [(it["left_out"], it["value"]) for it in kept["results"]] == [
        (site, trial.value) for site, trial in zip(("St. Mary's", "07"), trials, strict=True)
    ]
    assert "on average over 2 values of site" in typed.out
    assert "champion" not in typed.out.lower()
    assert "no thresholds: trial 0 of study sites chose them on pictures that may be among those" in typed.out
    folder = tmp_path / "outputs" / "confirmations" / "sites-without-each-site-of-1"
    assert f"Trial 0: test accuracy {kept['means']['0']:.4f}" in command("compare", folder.name).out


def test_on_new_splits_seeds_are_added_until_it_is_decided_split_by_split(command, tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "LEVEL", -1.0)  # nothing is significant
    paint(tmp_path)
    assert command(*(word.replace("n_trials=1", "n_trials=2") for word in SWEEP)).exit_code == 0
    typed = command("confirm", "sites", "--new-splits", "--until-decided", "--top=2", "--seeds=4", *TINY)
    assert typed.exit_code == 0, typed.err
    folder = tmp_path / "outputs" / "confirmations" / "sites-confirmation-on-new-splits-of-2"
    trials = optuna.load_study(study_name=folder.name, storage=open_storage(None, folder)).trials
    splits = [trial.params["data.split_seed"] for trial in trials]
    assert splits == [trial.params["seed"] for trial in trials]
    assert (sorted(splits[:6]), splits[6:]) == ([1000, 1000, 1001, 1001, 1002, 1002], [1003, 1003])
    runs = {option: [trial for trial in trials if trial.params["experiment"] == option] for option in ("trial_0", "trial_1")}
    configs = [(folder / str(trial.number) / "artifacts" / "config.yaml").read_text() for trial in runs["trial_0"]]
    assert configs[0].replace("1000", "1001") == configs[1]
    one, other = ([trial.value for trial in found] for found in runs.values())
    behind = max(mean(one), mean(other)) - min(mean(one), mean(other))
    error = stdev(a - b for a, b in zip(one, other, strict=True)) * math.sqrt(1 / 4 + 0.2 / 0.8)
    kept = json.loads((folder / "confirmation.json").read_text())
    [pair] = kept["pairs"]
    assert pair["difference"] == pytest.approx(behind)
    assert pair["half_interval"] == pytest.approx(3.182446 * error)
    assert "paired t over splits, 5 % level, looks after each of up to 4 seeds" in " ".join(typed.out.split())


def test_a_champion_carries_the_thresholds_of_its_trial_to_predictions(command, tmp_path):
    paint(tmp_path)
    assert command(*SWEEP).exit_code == 0
    sweep = open_storage(None, tmp_path / "outputs" / "sweeps" / "sites")
    [trial] = optuna.load_study(study_name="sites", storage=sweep).trials
    chosen = trial.user_attrs["thresholds"]
    assert chosen == [1 - trial.user_attrs["classes"][1]["threshold"], trial.user_attrs["classes"][1]["threshold"]]
    confirmed = command("confirm", "sites", "--top=1", "--seeds=2", *TINY)
    assert f"thresholds chosen on the validation images of trial 0 of study sites: b {chosen[1]:.4f}" in confirmed.out
    folder = tmp_path / "outputs" / "confirmations" / "sites-confirmation-of-1"
    run = optuna.load_study(study_name=folder.name, storage=open_storage(None, folder)).trials[0]
    point = run.user_attrs["classes"][1]
    assert point["threshold"] == chosen[1]
    final = command("final", "--config-dir", str(folder), "experiment=champion", *TINY[:3], "hydra.run.dir=run")
    assert final.exit_code == 0, final.err
    for artifacts in (folder / "0" / "artifacts", tmp_path / "run" / "artifacts"):
        model = of_run(artifacts)
        assert model.thresholds == tuple(chosen)
        assert model.thresholds_of == "the validation images of trial 0 of study sites"
