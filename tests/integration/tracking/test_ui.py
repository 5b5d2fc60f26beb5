"""`densenet-sweep ui` as it is typed: it serves the store, and Ctrl-C leaves nothing behind."""

import os
import signal
import subprocess
import sys
import urllib.request
from typing import Any

import psutil
import pytest
from hydra.utils import instantiate
from mlflow import MlflowClient

from densenet_sweep.commands import ui

# A shell that starts a command in the background makes it deaf to SIGINT, and so would one that so runs these tests.
_HEARING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from densenet_sweep.__main__ import main
main()
"""


@pytest.mark.parametrize("is_made", [False, True], ids=["no experiment", "no study"])
def test_a_study_that_does_not_exist_is_refused_where_there_is_none(tracking, is_made):
    if is_made:
        MlflowClient(tracking["uri"]).create_experiment("tests")
    with pytest.raises(ValueError, match=r"^mine: no such study in tracking\.experiment=tests; it has none yet$"):
        ui.main(["mine", f"tracking.uri='{tracking['uri']}'", "tracking.experiment=tests"])


def test_the_ui_serves_the_store_until_it_is_interrupted(tracking, tmp_path):
    tracking["uri"] += "?timeout=21"  # stands for the password of a database
    record: Any = instantiate(tracking, name="a run", parameters={}, tags={}, study_name=None, run_id=None)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "config.yaml").write_text("seed: 1\n")
    record.artifacts(tmp_path / "made")
    command = [sys.executable, "-c", _HEARING, "ui", f"tracking.uri='{tracking['uri']}'"]
    command += [f"tracking.experiment={tracking['experiment']}", f"tracking.artifact_location={tracking['artifact_location']}"]
    server = subprocess.Popen(
        command,
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == "MLflow UI\n"
        announced = server.stdout.readline()
        assert server.stdout.readline() == "Ctrl-C ends it.\n"
        assert announced.startswith("  All runs         http://127.0.0.1:")
        address = announced.split()[-1]
        assert address.endswith("-all-runs&workflowType=machine_learning")
        root = address.partition("#")[0]
        processes = psutil.Process(server.pid).children(recursive=True)
        assert 2 <= len(processes) <= 4
        assert not any("timeout=21" in word for process in processes for word in process.cmdline())
        with urllib.request.urlopen(root, timeout=30) as page:
            assert page.status == 200
            assert b"MLflow" in page.read()
        with urllib.request.urlopen(f"{root}get-artifact?path=config.yaml&run_uuid={record.run_id}", timeout=30) as artifact:
            assert artifact.read() == b"seed: 1\n"
    finally:
        server.send_signal(signal.SIGINT)
        output, errors = server.communicate(timeout=30)
    assert (output, errors) == ("", "")
    assert server.returncode == 0
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
