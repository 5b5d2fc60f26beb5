"""The workflow, the images and the compose file: their form, as nothing here can run them."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent


def read(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_workflow_has_no_logic_of_its_own():
    jobs = read(".github/workflows/test.yml")["jobs"]
    typed = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert set(typed) == {"sudo --preserve-env .ci/run", "make install", ".ci/matrix ${{ matrix.row }}"}
    rows = subprocess.check_output([ROOT / ".ci/matrix", "--list"], text=True).split()
    assert set(jobs["matrix"]["strategy"]["matrix"]["row"]) <= set(rows)


def test_services_of_a_team_keep_their_data_and_are_not_open_to_the_world():
    compose = read("compose.yaml")
    services = compose["services"]
    kept = {mounted.partition(":")[0] for service in services.values() for mounted in service.get("volumes", [])}
    assert kept == set(compose["volumes"])
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("${SWEEPS_ADDRESS:-127.0.0.1}:") for port in ports)
    hosts = services["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert set(hosts) == {"localhost:*", "127.0.0.1:*", "${SWEEPS_HOST:-localhost}:*"}  # MLflow refuses other names
    assert {needed for service in services.values() for needed in service.get("depends_on", {})} <= set(services)
    target = services["mlflow"]["build"]["target"]
    assert re.search(rf"^FROM \S+ AS {target}$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_image_copies_nothing_that_runs_have_written():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", "mlruns", "outputs", ".venv*"} <= set(ignored)
