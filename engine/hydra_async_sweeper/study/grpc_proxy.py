"""Optuna's gRPC proxy before a database, so that many workers need few connections to it."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

from hydra_async_sweeper import extras
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.readable import first_line
from hydra_async_sweeper.study.storage import open_storage


def serve(url: str, host: str, port: int, *, on_ready: Callable[[], None]) -> None:
    """Serve the storage at `url` until Ctrl-C; `on_ready` is called once it is open.

    Raises:
        SweepError: a storage that cannot be used, or a port that is taken.
    """
    try:
        import grpc  # noqa: F401 - Optuna imports it late, with a vaguer error if it is missing
    except ImportError:
        raise SweepError(f"serve: {extras.package_needs('grpc')}") from None
    import optuna

    try:
        storage = open_storage(url, Path.cwd())
    except SweepError as error:  # the URL is an argument here
        raise SweepError(str(error).removeprefix("hydra.sweeper.storage=")) from error
    on_ready()
    logging.getLogger("optuna").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*experimental")
            optuna.storages.run_grpc_proxy_server(storage, host=host, port=port)
    except RuntimeError as error:
        raise SweepError(f"serve: {host}:{port} cannot be listened on ({first_line(error)})") from error
