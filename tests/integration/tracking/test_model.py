"""The registry: what is registered loads and serves where this package does not exist."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import densenet_sweep
from densenet_sweep.classifier import Classifier
from densenet_sweep.tracking import store
from densenet_sweep.tracking.model import CHAMPION, REGISTERED_NAME, register

EXAMPLES_BCHW = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

# In a process of its own, that cannot import this package.
ELSEWHERE = """
import sys
sys.modules["densenet_sweep"] = None
import mlflow, numpy, torch
uri, images, out = sys.argv[1:]
mlflow.set_tracking_uri(uri)
images = numpy.load(images)
module = mlflow.pytorch.load_model("models:/densenet-sweep@champion")
pyfunc = mlflow.pyfunc.load_model("models:/densenet-sweep@champion")
numpy.savez(out, module=module(torch.from_numpy(images)).detach().numpy(), pyfunc=pyfunc.predict(images))
"""


def classifier(**changes) -> Classifier:
    network = densenet_sweep.build(["data=digits", "architecture.depth=10", "architecture.growth_rate=4"])
    settings = {
        "image_size": 8,
        "mean_C": torch.tensor([0.3]),
        "std_C": torch.tensor([0.4]),
        "class_names": [str(digit) for digit in range(10)],
    }
    return Classifier(network, **{**settings, **changes})


def a_run(uri: str, folder) -> str:
    client = store.connect(uri)
    experiment = store.experiment_id(client, uri, "tests", str(folder / "artifacts"))
    run = client.create_run(experiment)
    client.log_param(run.info.run_id, "optimizer.lr", "0.1")
    return run.info.run_id


@pytest.fixture(params=["file", "server"])
def uri(request, tracking):
    return tracking["uri"] if request.param == "file" else request.getfixturevalue("server").uri


def test_a_registered_model_loads_without_this_package(uri, tmp_path, capfd):
    ours = classifier()
    run_id = a_run(uri, tmp_path)
    version = register(uri, run_id, ours, EXAMPLES_BCHW, tags={"study": "it's", "test_accuracy_mean": "0.9"}, description="It.")
    assert capfd.readouterr() == ("", "")

    client = store.connect(uri)
    found = client.get_model_version_by_alias(REGISTERED_NAME, CHAMPION)
    assert (str(found.version), found.run_id, found.description) == (version, run_id, "It.")
    assert found.tags == {"study": "it's", "test_accuracy_mean": "0.9"}
    [output] = client.get_run(run_id).outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert (logged.status.name, logged.params, logged.source_run_id) == ("READY", {"optimizer.lr": "0.1"}, run_id)
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": REGISTERED_NAME, "version": found.version}]
    assert found.source == logged.artifact_location

    images_BCHW = torch.randint(0, 256, (4, 1, 12, 9), dtype=torch.uint8)
    np.save(tmp_path / "images.npy", images_BCHW.numpy())
    words = [sys.executable, "-c", ELSEWHERE, uri, str(tmp_path / "images.npy"), str(tmp_path / "out.npz")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with torch.inference_mode():
        expected_BK = ours(images_BCHW).numpy()
    with np.load(tmp_path / "out.npz") as found:
        assert np.allclose(found["module"], expected_BK, atol=1e-6)
        assert np.allclose(found["pyfunc"], expected_BK, atol=1e-6)


def test_a_run_is_registered_once_and_the_alias_moves(tracking, tmp_path):
    uri = tracking["uri"]
    first, second = a_run(uri, tmp_path), a_run(uri, tmp_path)
    client = store.connect(uri)
    for run_id, study, expected in ((first, "one", "1"), (second, "two", "2"), (first, "one again", "1")):
        assert register(uri, run_id, classifier(), EXAMPLES_BCHW, tags={"study": study}) == expected
        champion = client.get_model_version_by_alias(REGISTERED_NAME, CHAMPION)
        assert (str(champion.version), champion.tags) == (expected, {"study": study})
    assert len(client.search_model_versions(f"name = '{REGISTERED_NAME}'")) == 2


def test_a_model_that_cannot_be_traced_leaves_no_version(tracking, tmp_path):
    class Fails(torch.nn.Module):
        def forward(self, _):
            raise RuntimeError("no")

    uri, ours = tracking["uri"], classifier()
    ours.network = Fails()
    run_id = a_run(uri, tmp_path)
    with pytest.raises(RuntimeError, match="no"):
        register(uri, run_id, ours, EXAMPLES_BCHW, tags={})
    client = store.connect(uri)
    assert client.search_model_versions(f"name = '{REGISTERED_NAME}'") == []
    [model] = client.search_logged_models([client.get_run(run_id).info.experiment_id])
    assert model.status.name == "FAILED"
