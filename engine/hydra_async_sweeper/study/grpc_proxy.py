"""`densenet-sweep serve [URL]`: Optuna's gRPC proxy before a database, so that many workers need few connections to it."""

import argparse
import logging
import os
import warnings
from pathlib import Path

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study.passwords import check_password, redacted
from hydra_async_sweeper.study.storage import open_storage


def main(arguments: list[str]) -> None:
    """Serve the storage that `arguments` name until Ctrl-C.

    Raises:
        SweepError: no storage, one that cannot be used, or a port that is taken or none.
    """
    parser = argparse.ArgumentParser(prog="densenet-sweep serve", description=__doc__)
    parser.add_argument("url", nargs="?", metavar="URL", help="the database; $DENSENET_SWEEP_STORAGE unless given")
    parser.add_argument("--host", default="localhost", help="where to listen; the proxy asks nobody for a password (localhost)")
    parser.add_argument("--port", type=int, default=13000, help="(13000)")
    asked = parser.parse_args(arguments)
    if not 0 < asked.port < 2**16:
        raise SweepError(f"--port {asked.port}: a whole number from 1 to 65535 is accepted")
    url = asked.url or os.environ.get("DENSENET_SWEEP_STORAGE")
    if url is None:
        raise SweepError("serve: no storage; a URL as argument, or in DENSENET_SWEEP_STORAGE, is accepted")
    check_password(url, "URL")
    serve(url, asked.host, asked.port)


def serve(url: str, host: str, port: int) -> None:
    """Serve the storage at `url`."""
    try:
        import grpc  # noqa: F401 - Optuna imports it late, and says less where it is missing
    except ImportError:
        raise SweepError("serve: needs grpcio; pip install 'densenet-sweep[grpc]'") from None
    import optuna

    storage = open_storage(url, Path.cwd())
    print(f"serving {redacted(url)} on {host}:{port}; on each machine:", flush=True)
    print(f"  export DENSENET_SWEEP_PROXY={host}:{port}; densenet-sweep storage=grpc sweep=...", flush=True)
    logging.getLogger("optuna").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*experimental")
            optuna.storages.run_grpc_proxy_server(storage, host=host, port=port)
    except RuntimeError as error:
        raise SweepError(f"serve: {host}:{port} cannot be listened on ({str(error).splitlines()[0]})") from error
