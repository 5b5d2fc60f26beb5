"""The registry: what is registered loads and serves where this package does not exist."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import densenet_sweep
from densenet_sweep.models.classifier import Classifier, Signature
from densenet_sweep.models.registry import CHAMPION, REGISTERED_NAME, register
from densenet_sweep.tracking import store

# Where uvicorn is, which MLflow starts by its name.
BIN = Path(sys.executable).parent

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


def classifier() -> Classifier:
    network = densenet_sweep.build(["data=digits", "architecture.depth=10", "architecture.growth_rate=4"])
    signature = Signature(1, 8, tuple("0123456789"))
    return Classifier(network, signature=signature, mean_C=torch.tensor([0.3]), std_C=torch.tensor([0.4]))


def a_run(uri: str, folder) -> str:
    client = store.connect(uri)
    experiment = store.experiment_id(client, uri, "tests", str(folder / "artifacts"))
    run = client.create_run(experiment)
    client.log_param(run.info.run_id, "optimizer.lr", "0.1")
    return run.info.run_id


def registered(uri: str, folder) -> Classifier:
    """Register a fresh classifier and return it; what the store holds of it then is checked."""
    ours = classifier()
    run_id = a_run(uri, folder)
    version = register(uri, run_id, ours, EXAMPLES_BCHW, tags={"study": "it's", "test_accuracy_mean": "0.9"}, description="It.")
    client = store.connect(uri)
    found = client.get_model_version_by_alias(REGISTERED_NAME, CHAMPION)
    assert (str(found.version), found.run_id, found.description) == (version, run_id, "It.")
    assert found.tags == {"study": "it's", "test_accuracy_mean": "0.9"}
    [output] = client.get_run(run_id).outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert (logged.status.name, logged.params, logged.source_run_id) == ("READY", {"optimizer.lr": "0.1"}, run_id)
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": REGISTERED_NAME, "version": found.version}]
    assert found.source == logged.artifact_location
    return ours


def test_it_loads_without_this_package(tracking, tmp_path, capfd):
    ours = registered(tracking["uri"], tmp_path)
    assert capfd.readouterr() == ("", "")
    images_BCHW = torch.randint(0, 256, (4, 1, 12, 9), dtype=torch.uint8)
    np.save(tmp_path / "images.npy", images_BCHW.numpy())
    words = [sys.executable, "-c", ELSEWHERE, tracking["uri"], str(tmp_path / "images.npy"), str(tmp_path / "out.npz")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with torch.inference_mode():
        expected_BK = ours(images_BCHW).numpy()
    with np.load(tmp_path / "out.npz") as found:
        assert np.allclose(found["module"], expected_BK, atol=1e-6)
        assert np.allclose(found["pyfunc"], expected_BK, atol=1e-6)


def test_it_is_served_from_an_mlflow_server(server, tmp_path, free_port):
    port = free_port()
    ours = registered(server.uri, tmp_path)
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{REGISTERED_NAME}@{CHAMPION}"]
    words += ["--env-manager", "local", "--port", str(port), "--workers", "1"]
    with (tmp_path / "serve.log").open("wb") as output:
        environment = {**os.environ, "MLFLOW_TRACKING_URI": server.uri, "PATH": f"{BIN}:{os.environ['PATH']}"}
        serving = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            answer = request(f"http://127.0.0.1:{port}/invocations", {"inputs": EXAMPLES_BCHW[:1].tolist()}, serving)
        finally:
            with suppress(ProcessLookupError):  # it ended by itself, and its log says why
                os.killpg(serving.pid, signal.SIGKILL)
            serving.wait()
    assert answer is not None, (tmp_path / "serve.log").read_text()
    with torch.inference_mode():
        assert np.allclose(answer["predictions"], ours(EXAMPLES_BCHW[:1]).numpy(), atol=1e-6)


def request(url: str, question: Any, serving: subprocess.Popen[bytes]) -> Any:
    """Return the answer to `question`, once there is somebody who gives one, or nothing where the process ends before."""
    request = urllib.request.Request(url, json.dumps(question).encode(), {"Content-Type": "application/json"})
    while serving.poll() is None:
        with suppress(urllib.error.URLError), urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
        time.sleep(0.2)
    return None


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
