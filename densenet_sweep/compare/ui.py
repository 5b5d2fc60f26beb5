"""`densenet-sweep ui [tracking.uri=URI] [--port N]`: the MLflow UI on the project's store, for this machine only."""

import argparse
import socket
import subprocess
import sys
from pathlib import Path

from densenet_sweep import composition
from densenet_sweep.config import ConfigError, MlflowConfig
from densenet_sweep.tracking.store import connect, is_server

_HOST = "127.0.0.1"


def main(arguments: list[str]) -> None:
    """Serve the UI until Ctrl-C, or print the address of the server that the runs are on already.

    Raises:
        ValueError: no store, or no free port.
    """
    parser = argparse.ArgumentParser(prog="densenet-sweep ui", description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="tracking.key=value", help="as for a run, such as tracking.uri=...")
    parser.add_argument("--port", type=int, default=None, metavar="N", help="5000, or the next free one")
    asked = parser.parse_args(arguments)
    tracking = composition.typed(composition.compose(asked.overrides)).tracking
    if not isinstance(tracking, MlflowConfig):
        raise ConfigError("tracking: the UI needs tracking=mlflow")
    if is_server(tracking.uri):
        print(f"The runs are on the server {tracking.uri}")
        return
    database = Path(tracking.uri.removeprefix("sqlite:///"))
    if tracking.uri.startswith("sqlite:///") and not database.is_file():
        raise ConfigError(f"tracking.uri={tracking.uri}: nothing is recorded there yet; densenet-sweep sweep=quickstart does")
    client = connect(tracking.uri)
    experiment = client.get_experiment_by_name(tracking.experiment)
    port = _free_port(asked.port)
    page = f"#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning" if experiment else ""
    print(f"MLflow UI: http://{_HOST}:{port}/{page}\nCtrl-C ends it.", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking.uri, "--host", _HOST]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--default-artifact-root", Path(tracking.artifact_location).resolve().as_uri()]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            _, errors = server.communicate()
        except KeyboardInterrupt:
            server.terminate()
            server.wait()
            return
    if server.returncode:
        raise RuntimeError(f"the MLflow server ended with {server.returncode}: {errors.strip().splitlines()[-1:]}")


def _free_port(wanted: int | None) -> int:
    """Return `wanted`, or the first free port from 5000 on.

    Raises:
        ValueError: `wanted` is taken.
    """
    for port in [wanted] if wanted is not None else range(5000, 5100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise ValueError(f"--port {wanted or '5000 to 5099'}: taken by another program")
