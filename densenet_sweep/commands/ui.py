"""`densenet-sweep ui [STUDY] [tracking.uri=URI] [--port N]`: the MLflow UI on the project's store, for this machine only."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import IO

from densenet_sweep.commands.arguments import separated
from densenet_sweep.config.command_line import Parser
from densenet_sweep.config.schema import MlflowConfig
from densenet_sweep.config.tracking_uri import check_uri, is_server
from densenet_sweep.mlflow_ui import saved_views
from densenet_sweep.tracking.access import answering, check_exists, mlflow_config
from densenet_sweep.tracking.dead_runs import close_dead_runs
from densenet_sweep.tracking.store import artifact_uri, connect, redacted

_HOST = "127.0.0.1"
_GRACE_SECONDS = 5.0
# A new database on a slow disk takes most of a minute.
_START_SECONDS = 300.0


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("ui", __doc__)
    arguments.add_argument(
        "words", nargs="*", metavar="STUDY | tracking.key=value", help="the study begun last unless given; tracking.uri=..."
    )
    arguments.add_argument("--port", type=int, default=None, metavar="N", help="5000, or the next free one")
    return arguments


def main(arguments: list[str]) -> None:
    """Serve the UI until Ctrl-C, or print the addresses only, if the runs are on a server already.

    Raises:
        ValueError, ConnectionError: no store, no such study, or no free port.
        RuntimeError: the server ended by itself, or does not answer.
    """
    parsed = parser().parse_intermixed_args(arguments)
    names, overrides = separated(parsed.words)
    if len(names) > 1:
        raise ValueError(f"{' '.join(names)}: the name of one study is accepted")
    tracking = mlflow_config(overrides, "the UI")
    check_uri(tracking.uri)
    check_exists(tracking.uri)
    port = None if is_server(tracking.uri) else _free_port(parsed.port)
    pages = _pages(tracking, names[0] if names else None)
    if port is None:
        _announce(saved_views.site(tracking.uri), pages)
        return
    with tempfile.TemporaryFile("w+") as errors:
        server = _start(tracking, port, errors)
        try:
            _wait_until_up(server, port)
            if server.poll() is None:
                _announce(f"http://{_HOST}:{port}/", pages)
                print("Ctrl-C ends it.", flush=True)
                server.wait()
        except KeyboardInterrupt:
            return
        finally:
            _end(server)
        errors.seek(0)
        last = (errors.read().strip().splitlines() or ["it gave no reason"])[-1]
    raise RuntimeError(f"the MLflow server ended by itself: {redacted(last)}")


def _announce(site: str, pages: Mapping[str, str]) -> None:
    """Print the address of each page; views need theirs, as the UI's menu does not switch to charts by itself."""
    print("MLflow UI")
    for title, page in pages.items():
        print(f"  {title:<15}  {site}{page}", flush=True)


def _pages(tracking: MlflowConfig, study: str | None) -> dict[str, str]:
    """Write a study's views, and return their addresses within the UI, or that of the runs if there are none.

    Raises:
        ConnectionError: the store cannot be used.
        ValueError: no such study.
    """
    with answering(tracking.uri):
        client = connect(tracking.uri)
        experiment = client.get_experiment_by_name(tracking.experiment)
        existing = {} if experiment is None else saved_views.studies(client, experiment.experiment_id)
        if study is not None and study not in existing:
            others = f"there are {', '.join(existing)}" if existing else "it has none yet"
            raise ValueError(f"{study}: no such study in tracking.experiment={tracking.experiment}; {others}")
        if experiment is None:
            return {"Runs": ""}
        close_dead_runs(client, experiment.experiment_id)
        shown = existing[study] if study is not None else next(iter(existing.values()), None)
        found = saved_views.install(client, experiment.experiment_id, shown)
        report = saved_views.report(client, experiment.experiment_id, shown)
    pages = {view.title: view.address(experiment.experiment_id) for view in found}
    if report is not None:
        pages["Report"] = report
    return pages or {"Runs": saved_views.address([], experiment.experiment_id)}


def _start(tracking: MlflowConfig, port: int, errors: IO[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port), "--workers", "1"]
    environment = {
        # MLflow would start eight more processes for jobs, which viewing runs does not need.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **os.environ,
        # In the environment, which only its owner can read: a database's address may hold a password; command lines are public.
        "MLFLOW_BACKEND_STORE_URI": tracking.uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": artifact_uri(tracking.artifact_location),
    }
    # In a session of its own, so that all its processes can be ended together in any state.
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=errors, text=True, start_new_session=True
    )


def _wait_until_up(server: "subprocess.Popen[str]", port: int) -> None:
    """Return as soon as the server answers, or has ended.

    Raises:
        RuntimeError: it runs and does not answer.
    """
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # `http_proxy` would take even this address
    until = time.monotonic() + _START_SECONDS
    while server.poll() is None:
        with suppress(OSError), directly.open(f"http://{_HOST}:{port}/health", timeout=1):
            return
        if time.monotonic() > until:
            raise RuntimeError(f"the MLflow server does not answer at http://{_HOST}:{port}/ after {_START_SECONDS:.0f} s")
        time.sleep(0.1)


def _end(server: "subprocess.Popen[str]") -> None:
    """End the server and its workers: by SIGTERM, then by SIGKILL."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(timeout=_GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _free_port(wanted: int | None) -> int:
    """Return `wanted`, or the first free port from 5000 on.

    Raises:
        ValueError: `wanted` is taken, or not a port number.
    """
    if wanted is not None and not 0 < wanted < 65536:
        raise ValueError(f"--port {wanted}: a whole number from 1 to 65535 is accepted")
    for port in [wanted] if wanted is not None else range(5000, 5100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise ValueError(f"--port {wanted or '5000 to 5099'}: taken by another program")
