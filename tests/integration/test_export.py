"""Trained models under the names that people have for them, in files, and asked about pictures."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
import yaml
from hydra_async_sweeper.study.storage import open_storage
from mlflow import MlflowClient
from PIL import Image

from densenet_sweep.commands import export
from densenet_sweep.data.sources import digits
from densenet_sweep.models import exported, trained
from densenet_sweep.models import named as models
from densenet_sweep.models.registry import register
from densenet_sweep.tracking import store

NO_RUN = "0" * 32


@pytest.fixture
def a_run(client: MlflowClient, tmp_path: Path, final_artifacts: Path) -> Callable[..., str]:
    """Record what a run left, but for what is named, and return the run's id."""

    def recorded(*without: str, client: MlflowClient = client) -> str:
        experiment = store.experiment_id(client, client.tracking_uri, "densenet_sweep", str(tmp_path / "mlruns" / "artifacts"))
        run_id: str = client.create_run(experiment).info.run_id
        for path in final_artifacts.iterdir():
            if path.name not in without:
                client.log_artifact(run_id, str(path))
        return run_id

    return recorded


def crowned(client: MlflowClient, run_id: str, study: str, artifacts: Path) -> None:
    examples_BCHW = digits("", download=False).train.images_NCHW[:2]
    register(client.tracking_uri, run_id, trained.classifier(artifacts), examples_BCHW, tags={"study": study})


def a_study(name: str, root: Path, trials: dict[float, str | None]) -> Path:
    """Make a study whose complete trials have these values and runs in MLflow; return its sweep's folder."""
    folder = root / "outputs" / "sweeps" / name
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(yaml.safe_dump({"study_name": name, "storage": None}))
    study = optuna.create_study(study_name=name, storage=open_storage(None, folder), direction="maximize")
    for value, run_id in trials.items():
        study.add_trial(optuna.create_trial(value=value, user_attrs={"mlflow_run_id": run_id}))
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Two of the test digits, not square, with a name that a terminal must not take for its own."""
    test = digits("", download=False).load_test()
    names = ["[red]0.png", "1.png"]
    for name, image_CHW in zip(names, test.images_NCHW, strict=False):
        Image.fromarray(image_CHW[0].numpy()).resize((96, 64)).save(tmp_path / name)
    return names


@pytest.mark.parametrize("form", exported.FORMATS)
def test_a_run_becomes_a_file_that_says_what_it_is(command, a_run, form, tmp_path, final_artifacts):
    suffix = exported.FORMATS[form][0]
    typed = command("export", a_run(), f"digits{suffix}", "--to", form)
    assert (typed.exit_code, typed.err) == (0, "")
    first, second, *compared = typed.out.splitlines()
    assert first.startswith(f"digits{suffix}: run ")
    assert second == "in: uint8 images (grey) of any size; out: probabilities of 10 classes"
    assert compared[0] == "checked against the original, probabilities differ by"
    assert [line.split(" for ")[1].split(" (")[0] for line in compared[1:]] == ["images of 12 px", "images that are resized"]
    assert max(map(len, typed.out.splitlines())) <= 80
    assert {path.name for path in tmp_path.iterdir()} == {"mlruns", f"digits{suffix}"}

    images_BCHW = digits("", download=False).load_test().images_NCHW
    signature, predictor = exported.read(tmp_path / f"digits{suffix}")
    classifier = trained.classifier(final_artifacts)
    assert signature == classifier.signature
    with torch.inference_mode():
        differences_BK = predictor(images_BCHW) - classifier(images_BCHW)
    # The digits are enlarged here, so that some pixels lie halfway between two levels.
    assert differences_BK.abs().max() < export.TOLERANCE_RESIZED


def test_an_onnx_file_is_of_use_without_this_program(command, a_run, tmp_path):
    import onnx
    import onnxruntime

    assert command("export", a_run(), "digits.onnx", "--to", "onnx").exit_code == 0
    onnx.checker.check_model(str(tmp_path / "digits.onnx"))
    session = onnxruntime.InferenceSession(tmp_path / "digits.onnx")
    [images], [probabilities] = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["batch", 1, "height", "width"])
    assert (probabilities.name, probabilities.type, probabilities.shape) == ("probabilities", "tensor(float)", ["batch", 10])
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == list("0123456789")
    [found_BK] = session.run(None, {"images": np.zeros((7, 1, 5, 9), np.uint8)})
    assert np.allclose(found_BK.sum(axis=1), 1)


def test_a_file_that_differs_too_much_is_not_written(command, a_run, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    (tmp_path / "old.pt2").write_text("what was there")
    typed = command("export", a_run(), "old.pt2", "--to", "torch_export")
    assert typed.exit_code == 1
    assert (
        "old.pt2: not written, its probabilities differ from the original's by 0 for images of 12 px (at most -1" in typed.err
    )
    assert (tmp_path / "old.pt2").read_text() == "what was there"
    assert {path.name for path in tmp_path.iterdir()} == {"mlruns", "old.pt2"}


def test_a_study_is_its_champion_or_its_best_trial_whose_weights_are_kept(
    client, a_run, tmp_path, final_artifacts, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    uri, bare, kept = client.tracking_uri, a_run("final.pt"), a_run()
    folder = a_study("of digits", tmp_path, {0.9: None, 0.8: bare, 0.7: kept, 0.6: None})
    assert models.find("of digits", uri).origin == "trial 2 of study of digits"
    shutil.copytree(final_artifacts, folder / "1" / "artifacts")
    assert models.find("of digits", uri).origin == "trial 1 of study of digits"
    assert models.find("of digits/2", uri).origin == "trial 2 of study of digits"
    crowned(client, a_run(), "another", final_artifacts)
    assert models.find("of digits", uri).origin == "trial 1 of study of digits"
    crowned(client, kept, "of digits", final_artifacts)
    assert models.find("of digits", uri).origin == "densenet-sweep version 2, champion of study of digits"
    assert models.find("another", uri).origin == "densenet-sweep version 1, champion of study another"


def test_damaged_weights_are_said_and_the_next_best_taken(client, a_run, tmp_path, final_artifacts, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    folder = a_study("of digits", tmp_path, {0.9: None, 0.8: a_run()})
    weights = shutil.copytree(final_artifacts, folder / "0" / "artifacts") / "final.pt"
    damaged = bytearray(weights.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    weights.write_bytes(damaged)
    assert models.find("of digits", client.tracking_uri).origin == "trial 1 of study of digits"
    assert "outputs/sweeps/of digits/0/artifacts/final.pt: not a readable checkpoint (its checksum is wrong)" in caplog.text


def test_every_name_of_a_model_predicts_the_same(command, client, a_run, pictures, final_artifacts):
    run_id = a_run()
    crowned(client, run_id, "digits", final_artifacts)
    assert command("export", "champion", "digits.onnx", "--to", "onnx").exit_code == 0
    said = {}
    for name in (run_id, "digits", "champion", "models:/densenet-sweep@champion", "models:/densenet-sweep/1", "digits.onnx"):
        typed = command("predict", name, *pictures, "--format", "json", "--top", "10")
        assert (typed.exit_code, typed.err) == (0, ""), name
        said[name] = json.loads(typed.out)
    expected = said[run_id]
    assert [entry["image"] for entry in expected] == pictures
    for entry in expected:
        probabilities = [each["probability"] for each in entry["classes"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1)
        assert {each["class"] for each in entry["classes"]} == set("0123456789")
    for name, found in said.items():
        for one, other in zip(found, expected, strict=True):
            probabilities = [{each["class"]: each["probability"] for each in entry["classes"]} for entry in (one, other)]
            assert probabilities[0] == pytest.approx(probabilities[1], abs=1e-4), name


def test_a_network_of_ones_own_predicts_and_is_exported(command, client, tmp_path, monkeypatch, pictures):
    (tmp_path / "own" / "architecture").mkdir(parents=True)
    (tmp_path / "own" / "architecture" / "flat.yaml").write_text(
        "_target_: flat_network.flat\nin_channels: ${data.num_channels}\nnum_classes: ${data.num_classes}\n"
    )
    (tmp_path / "flat_network.py").write_text(
        "from torch import nn\n\n\ndef flat(*, in_channels, num_classes):\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * in_channels, num_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = ["--config-dir", "own", "trusted_targets=[flat_network.*]"]
    trains = ["architecture=flat", "data=digits", "epochs=1", "device=cpu", "precision=fp32", "tracking.system_metrics=false"]
    trained = command("final", *own, *trains)
    assert trained.exit_code == 0, trained.err
    [experiment] = client.search_experiments(filter_string="name = 'densenet_sweep'")
    [run] = client.search_runs([experiment.experiment_id])
    refused = command("predict", run.info.run_id, *pictures, "--config-dir", "own")
    assert refused.exit_code == 1
    assert "architecture._target_=flat_network.flat: is neither ours nor trusted" in refused.err
    predicted = command("predict", run.info.run_id, *pictures, *own, "--format", "json")
    assert predicted.exit_code == 0, predicted.err
    assert command("export", run.info.run_id, "flat.pt2", "--to", "torch_export", *own).exit_code == 0
    again = command("predict", "flat.pt2", *pictures, "--format", "json")
    classes = [[[it["class"] for it in one["classes"]] for one in json.loads(typed.out)] for typed in (predicted, again)]
    assert classes[0] == classes[1]


def test_pictures_are_shown_as_a_table(command, a_run, pictures):
    run_id = a_run()
    typed = command("predict", run_id, *pictures, "--top", "2")
    assert (typed.exit_code, typed.err) == (0, "")
    rows = [line.split() for line in typed.out.splitlines() if line.strip()]
    assert rows[0] == ["picture", "class", "probability"]
    assert [len(row) for row in rows[2:]] == [3, 2, 3, 2]
    assert [row[0] for row in rows[2::2]] == pictures


def test_dark_drawings_on_white_are_inverted(command, a_run, pictures):
    run_id = a_run()

    def best(*options: str) -> tuple[str, float]:
        [entry] = json.loads(command("predict", run_id, pictures[0], "--format", "json", *options).out)
        return entry["classes"][0]["class"], entry["classes"][0]["probability"]

    name, probability = best()
    assert best("--invert")[1] != pytest.approx(probability, abs=2e-4)
    Image.fromarray(255 - np.asarray(Image.open(pictures[0]))).save(pictures[0])
    assert best("--invert") == (name, pytest.approx(probability, abs=2e-4))


def test_folders_and_patterns_become_a_table_of_all_classes_past_bad_files(command, a_run, tmp_path, pictures):
    run_id = a_run()
    assert command("export", run_id, "digits.pt2", "--to", "torch_export").exit_code == 0
    (tmp_path / "more" / "deep").mkdir(parents=True)
    for name in ("more/a.png", "more/deep/b.png", "more/._a.png"):
        shutil.copy(tmp_path / pictures[1], tmp_path / name)
    (tmp_path / "more" / "deep" / "text.jpg").write_text("no picture")
    (tmp_path / "more" / "deep" / "bomb.ppm").write_bytes(b"P6 60000 60000 255\n")
    (tmp_path / "more" / "notes.txt").write_text("no picture")
    typed = command("predict", run_id, "more", "*.png", "more/a.png", "--output", "all.csv", "--explain", "why")
    assert typed.exit_code == 1
    assert typed.err.splitlines() == [
        "more/deep/bomb.ppm: cannot be decoded as a picture (has 3,600,000,000 pixels; at most data.max_pixels=200000000 are "
        "accepted)",
        "more/deep/text.jpg: cannot be decoded as a picture (no format that can be read)",
        "densenet-sweep: error: 2 of 6 files could not be read as a picture",
    ]
    assert typed.out == "all.csv: 4 pictures\n"
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["path"] for row in rows] == ["more/a.png", "more/deep/b.png", "1.png", "[red]0.png"]
    expected = json.loads(command("predict", run_id, "1.png", "--format", "json", "--top", "10").out)[0]["classes"]
    for row in rows[:3]:
        assert row["label"] == expected[0]["class"]
        shares = {it["class"]: float(row[f"probability_{it['class']}"]) for it in expected}
        assert shares == pytest.approx({it["class"]: it["probability"] for it in expected}, abs=1e-6)
    explained = sorted(path.relative_to(tmp_path / "why").as_posix() for path in (tmp_path / "why").rglob("*.png"))
    assert explained == ["1.png.png", "[red]0.png.png", "more/a.png.png", "more/deep/b.png.png"]
    of_the_run = np.asarray(Image.open(tmp_path / "why" / "1.png.png"))
    assert of_the_run.shape == (264, 264, 3)  # 12 px, enlarged by a whole number
    assert command("predict", "digits.pt2", "1.png", "--explain", "graph").exit_code == 0
    of_the_graph = np.asarray(Image.open(tmp_path / "graph" / "1.png.png"))
    assert np.abs(of_the_run.astype(int) - of_the_graph).max() <= 1
    assert np.ptp(of_the_run, axis=2).any()  # coloured


def test_it_all_works_through_an_mlflow_server(command, server, a_run, pictures, final_artifacts):
    client = server.client()
    run_id = a_run(client=client)
    crowned(client, run_id, "on a server", final_artifacts)
    where = f"tracking.uri={server.uri}"
    for name in ("champion", "on a server", run_id):
        typed = command("predict", name, pictures[0], where, "--format", "json")
        assert (typed.exit_code, typed.err) == (0, "")
        assert len(json.loads(typed.out)[0]["classes"]) == 3
    parent = client.create_run(client.get_run(run_id).info.experiment_id, tags={"role": "study", "study": "only there"})
    tags = {"study": "only there", "trial.number": "0", "trial.state": "complete", "mlflow.parentRunId": parent.info.run_id}
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    client.log_metric(run_id, "valid_accuracy", 0.5)
    assert json.loads(command("predict", "only there", pictures[0], where, "--format", "json").out) == json.loads(typed.out)
    typed = command("export", "champion", "digits.pt2", where, "--to", "torch_export")
    assert (typed.exit_code, typed.err) == (0, "")


def test_what_cannot_be_exported_is_said_in_one_line(command, a_run, tmp_path):
    bare, foreign = a_run("final.pt"), a_run("config.yaml")
    a_study("nothing", tmp_path, {})
    a_study("forgotten", tmp_path, {0.5: bare})
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").write_text("")
    to = ("--to", "torch_export")
    for arguments, message in (
        ([bare, "a.onnx", "--to", "tflite"], "--to tflite: one of onnx, torch_export is accepted"),
        ([bare, "a.pt", *to], "a.pt: a name that ends with .pt2 is accepted for --to torch_export"),
        ([bare, "folder.onnx", "--to", "onnx"], "folder.onnx: is a folder; the name of a file is accepted"),
        ([bare, "nowhere/a.pt2", *to], "nowhere/a.pt2: cannot be written (No such file or directory)"),
        ([bare, "file/a.pt2", *to], "file/a.pt2: cannot be written (Not a directory)"),
        ([bare, "a.pt2", "b.pt2", *to], "b.pt2: one MODEL and one FILE are accepted, and overrides of the form key=value"),
        ([bare, "a.pt2", *to], f"{bare}: its weights are not kept; densenet-sweep rerun {bare} trains it again"),
        ([foreign, "a.pt2", *to], f"{foreign}: keeps no config.yaml; only a run of this project that came to its end does"),
        ([NO_RUN, "a.pt2", *to], f"{NO_RUN}: no such run in tracking.uri=sqlite:///mlruns/mlflow.db; densenet-sweep ui shows"),
        (["models:/other/1", "a.pt2", *to], "models:/other/1: no such model in tracking.uri=sqlite:///mlruns/mlflow.db; "),
        (["champion", "a.pt2", *to], "models:/densenet-sweep@champion: no such model in tracking.uri=sqlite:///mlruns/"),
        (["xyzzy", "a.pt2", *to], "xyzzy: no such study; there are "),
        (["champoin", "a.pt2", *to], "champoin: no such study; there are forgotten, nothing; did you mean champion?"),
        (["nothing", "a.pt2", *to], "nothing: this study has no complete trial yet; densenet-sweep status nothing shows"),
        (["forgotten", "a.pt2", *to], "forgotten: no complete trial of this study keeps its weights; densenet-sweep confirm f"),
        ([bare, "a.pt2", *to, "tracking=none"], "tracking: export reads the model from MLflow, and needs tracking=mlflow"),
        ([bare, "a.pt2", *to, "tracking.uri=http://127.0.0.1:9"], "tracking.uri=http://127.0.0.1:9: cannot be used (Conn"),
        ([bare, "a.pt2", *to, "tracking.uri=sqlite:///no.db"], f"{bare}: nothing is recorded in tracking.uri=sqlite:///no.db"),
    ):
        typed = command("export", *arguments)
        assert typed.exit_code == 1, arguments
        assert typed.err.startswith(f"densenet-sweep: error: {message}"), typed.err
        assert typed.err.count("\n") == 1
        assert typed.out == ""
    assert {path.name for path in tmp_path.iterdir()} == {"mlruns", "outputs", "folder.onnx", "file"}


def test_what_cannot_be_predicted_is_said_in_one_line(command, a_run, tmp_path, pictures, monkeypatch):
    run_id, picture = a_run(), pictures[1]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden.png").write_text("")
    for name in ("broken.onnx", "broken.pt2"):
        (tmp_path / name).write_text("no model")
    torch.export.save(torch.export.export(torch.nn.Identity(), (torch.zeros(1),)), tmp_path / "other.pt2")
    for arguments, message in (
        ([run_id, "none.png"], "none.png: no such file"),
        ([run_id, "empty"], "empty: no pictures in this folder"),
        ([run_id, "empty/*"], "empty/*: no picture matches this pattern"),
        ([run_id, picture, "--output", "empty"], "--output empty: is a folder; the name of a file is accepted"),
        ([run_id, picture, "--output", "no/a.csv"], "--output no/a.csv: cannot be written (No such file or directory)"),
        ([run_id, picture, "--top", "0"], "--top 0: a whole number of at least 1 is accepted"),
        ([run_id, picture, "--format", "csv"], "--format csv: one of table, json is accepted"),
        ([run_id, "tracking.required=true"], "predict: no picture was given; at least one is accepted"),
        (["no.onnx", picture], "no.onnx: no such file"),
        (["broken.onnx", picture], "broken.onnx: not a readable ONNX file ("),
        (["broken.pt2", picture], "broken.pt2: not a readable file of torch.export ("),
        (["other.pt2", picture], "other.pt2: says nothing of its classes and images; only what this program wrote does"),
        (["models:/a/b/c", picture], "models:/a/b/c: "),
        (["models:/densenet-sweep@x", picture], "models:/densenet-sweep@x: no such model in "),
        ([NO_RUN, picture], f"{NO_RUN}: no such run in "),
        (["xyzzy", picture], "no study in "),
    ):
        typed = command("predict", *arguments)
        assert typed.exit_code == 1, arguments
        assert typed.err.startswith(f"densenet-sweep: error: {message}"), typed.err
        assert typed.err.count("\n") == 1
        assert typed.out == ""
    monkeypatch.setattr(exported, "find_spec", lambda name: None if name.startswith("onnx") else name)
    for arguments in (["predict", "broken.onnx", picture], ["export", run_id, "a.onnx", "--to", "onnx"]):
        typed = command(*arguments)
        assert typed.err == (
            "densenet-sweep: error: onnx: needs onnx, onnxruntime, onnxscript; "
            "pip install 'densenet-sweep[export]' installs what it needs\n"
        )
