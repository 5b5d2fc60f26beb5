"""What a notebook does: train, sweep, look at the study, take its model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_digits

import densenet_sweep

TINY = ["data=digits", "architecture.depth=10", "architecture.growth_rate=4", "epochs=2", "tracking.system_metrics=false"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_run_is_trained_and_its_network_classifies_arrays():
    run = densenet_sweep.train([*TINY, "hydra.run.dir='my runs/${seed}'"])
    assert run.folder == Path("my runs/0").absolute()
    assert [epoch["epoch"] for epoch in run.epochs] == [1, 2]
    assert run.metrics["valid_accuracy"] == run.epochs[-1]["valid_accuracy"]
    images_NHW = (load_digits().images[:5] * 255 / 16).astype("uint8")
    probabilities_NK = run.model()(images_NHW)
    assert probabilities_NK.shape == (5, 10)
    assert np.allclose(probabilities_NK.sum(axis=1), 1, atol=1e-5)
    assert (probabilities_NK == run.model()(images_NHW[:, None])).all()
    assert (probabilities_NK == run.model()(images_NHW[..., None])).all()
    named = densenet_sweep.load_model(run.run_id)
    assert named.class_names == tuple("0123456789")
    assert (named(images_NHW) == probabilities_NK).all()
    with pytest.raises(
        ValueError, match=r"^images of float64: uint8 images of shape \(N, H, W\), \(N, 1, H, W\) or \(N, H, W, 1\)"
    ):
        named(images_NHW / 255)
    with pytest.raises(ValueError, match=r"^images of shape \(5, 8, 8, 3\)"):
        named(np.zeros((5, 8, 8, 3), "uint8"))


def test_a_sweep_is_a_table_a_picture_and_a_model():
    overrides = [*TINY[:3], "epochs=1", "rungs=[]", "hydra/sweeper/pruner=none", "hydra.sweeper.n_trials=2"]
    overrides += ["hydra.sweeper.enqueue=[]", "tracking.system_metrics=false"]
    study = densenet_sweep.run_sweep(overrides, {"optimizer.lr": "choice(0.01,0.1)"})
    frame = study.dataframe()
    assert list(frame.index) == [0, 1]
    assert set(frame.columns) >= {"state", "valid_accuracy", "optimizer.lr", "num_parameters", "seconds", "run_id"}
    assert study.best is study.trials[frame["valid_accuracy"].idxmax()]
    shown = study._repr_html_()
    assert "optimizer.lr" in shown
    assert 'src="data:image/png;base64,' in shown
    assert "<html" in study.report("report.html").read_text()
    assert f"trial {study.best.number} of study" in study.best_model().origin
    again = densenet_sweep.load_study(study.name)
    assert again.results == study.results
    assert densenet_sweep.load_study("outputs/sweeps/growth_depth_lr-digits").results == study.results
    assert densenet_sweep.load_study().name == study.name
    journal = "outputs/sweeps/growth_depth_lr-digits/study.journal"
    for given in ({"where": f"journal:{journal}"}, {"where": journal}, {"storage": f"journal:{journal}", "where": study.name}):
        assert densenet_sweep.load_study(**given).results == study.results


def test_a_study_is_loaded_from_a_database():
    made = [optuna.create_study(study_name=name, storage="sqlite:///two.db", direction="maximize") for name in ("one", "two")]
    made[1].add_trial(optuna.create_trial(value=0.5))
    study = densenet_sweep.load_study("two", storage="sqlite:///two.db")
    assert (study.name, study.best.values) == ("two", (0.5,))
    for call, message in (
        (lambda: densenet_sweep.load_study("sqlite:///two.db"), "holds several studies; name one; there are one, two$"),
        (lambda: densenet_sweep.load_study(Path("two.db")), "^storage=sqlite:///two.db: holds several"),
        (lambda: densenet_sweep.load_study("three", storage="sqlite:///two.db"), "no study three; there are one, two$"),
        (
            lambda: densenet_sweep.load_study("one", storage="sqlite:///none.db"),
            "^storage=sqlite:///none.db: no studies are th",
        ),
        (lambda: densenet_sweep.load_study("one", storage="none.db"), "none.db: journal, sqlite, journal:PATH, grpc"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert not Path("none.db").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: densenet_sweep.train(["optimizer.lrr=1"]), "^unknown key optimizer.lrr"),
        (
            lambda: densenet_sweep.run_sweep(["data=digits"], {"optimizer.lr": "choice(0.1,fast)"}),
            "^optimizer.lr=fast: a number is accepted",
        ),
        (lambda: densenet_sweep.load_study("a/folder"), "holds no study.yaml"),
        (lambda: densenet_sweep.load_study("nothing"), "no such study|no study"),
        (lambda: densenet_sweep.load_model("nothing", ["tracking.uri=sqlite:///none.db"]), "^no study in"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(call, message, tmp_path):
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)
    assert not any(tmp_path.iterdir())


def test_the_package_is_imported_without_torch():
    code = "import sys, densenet_sweep; dir(densenet_sweep); sys.exit('torch' in sys.modules or 'mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
