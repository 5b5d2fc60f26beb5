"""Where a study is stored: a file in the sweep's folder, a database, or Optuna's gRPC proxy before one."""

import os
import random
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hydra_async_sweeper import extras
from hydra_async_sweeper.errors import StorageAwayError, SweepError
from hydra_async_sweeper.readable import first_line, one_line
from hydra_async_sweeper.study.passwords import redacted, revealed, scrubbed
from hydra_async_sweeper.study.retry import wait_out

if TYPE_CHECKING:
    import optuna
    import sqlalchemy

JOURNAL = "study.journal"
SQLITE = "study.db"
STUDY_FILES = (JOURNAL, SQLITE)

_ACCEPTED = "journal, sqlite, journal:PATH, grpc://HOST:PORT or a database URL is accepted, such as postgresql+psycopg://USER@HOST/DATABASE"

# How to continue when the file of a study is lost or damaged.
WAYS_ON = "put a copy of it in its place, or move its folder away to begin anew"

# Errors of SQLite, PostgreSQL and MySQL when another process has just created the same table, or its first row.
_MADE_BY_ANOTHER = "already exists|UNIQUE constraint|unique constraint|Duplicate entry|database is locked|[Dd]eadlock"
_SECONDS_TO_MAKE_TABLES = 30.0

_OF_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")

# The variables with the hosts that gRPC reaches without a proxy; the first one that is set counts.
_EXEMPT = ("no_grpc_proxy", "no_proxy", "NO_PROXY")


def open_storage(url: str | None, sweep_dir: Path) -> "optuna.storages.BaseStorage":
    """Return the storage at `url`.

    Args:
        url: None or `journal` (a journal file in the sweep's folder), `sqlite` (a database file there), `journal:PATH`,
            `grpc://HOST:PORT` (Optuna's proxy) or a database URL. With a password written `***`, the whole URL is
            looked up in the environment.
        sweep_dir: the sweep's folder.

    Raises:
        SweepError: it cannot be reached, or several processes could not share it.
        OSError: the folder cannot be written.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = url if url is None else revealed(url)
    if url in (None, "journal") or str(url).startswith("journal:"):
        from hydra_async_sweeper.study.journal import open_journal

        path = storage_file(url, sweep_dir)
        assert path is not None
        try:
            return open_journal(path)
        except OSError as error:
            if url in (None, "journal"):  # it is in the sweep's folder
                raise
            raise SweepError(f"hydra.sweeper.storage={url}: {one_line(error)}") from error
    assert url is not None
    if url.startswith("sqlite:") and storage_file(url, sweep_dir) is None and "file:" not in url:
        raise SweepError(f"hydra.sweeper.storage={url}: is in the memory of one process; sqlite:///FILE is accepted")
    file = storage_file(url, sweep_dir)
    if file is not None and file.absolute().is_relative_to(sweep_dir.absolute()):
        file.parent.mkdir(parents=True, exist_ok=True)
    if url == "sqlite":
        url = _sqlite(sweep_dir / SQLITE)
    if url.startswith("grpc://"):
        return _proxy(url)
    return _database(url)


def located(url: str | None, folder: Path) -> str | None:
    """Return `url` with a relative path in it made absolute, from `folder`, since jobs may change theirs."""
    if url is None or not url.startswith(("journal:", "sqlite")):
        return url
    path = storage_file(url, Path())
    if path is None or path.is_absolute() or url == "sqlite":
        return url
    if url.startswith("journal:"):
        return f"journal:{folder / path}"
    return _parsed(url).set(database=str(folder / path)).render_as_string(hide_password=False)


def wait_for_storage(url: str | None, sweep_dir: Path) -> "optuna.storages.BaseStorage":
    """Return the storage at `url`, waiting while it does not answer: it existed when the sweep began.

    Raises:
        SweepError, OSError: as `open_storage`.
    """

    def is_away(error: BaseException) -> bool:
        return isinstance(error, StorageAwayError)

    return wait_out(lambda: open_storage(url, sweep_dir), is_away, "the study's storage", _why_away)


def _why_away(error: BaseException) -> str:
    from hydra_async_sweeper.study.retrying_storages import reason

    return "nobody answers there" if error.__cause__ is None else reason(error.__cause__)


def storage_file(url: str | None, sweep_dir: Path) -> Path | None:
    """Return the file in which the storage at `url` keeps its studies; None if that is no file of this machine."""
    if url in (None, "journal"):
        return sweep_dir / JOURNAL
    assert url is not None
    if url == "sqlite":
        return sweep_dir / SQLITE
    if url.startswith("journal:"):
        return Path(url.removeprefix("journal:").removeprefix("//"))
    if url.startswith("sqlite"):
        database = _parsed(url).database
        return Path(database) if database and not database.startswith((":memory:", "file:")) else None
    return None


def _parsed(url: str) -> "sqlalchemy.URL":
    """Return the URL of a database of a known kind, whose driver may be missing.

    Raises:
        SweepError: it is none.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):  # of a port
        raise _refused(url) from None
    return parsed


def _refused(url: str) -> SweepError:
    return SweepError(f"hydra.sweeper.storage={redacted(url)}: {_ACCEPTED}")


def _database(url: str) -> "optuna.storages.BaseStorage":
    import optuna

    from hydra_async_sweeper.study.retrying_storages import PatientDatabase, is_passing

    _parsed(url)
    deadline = time.monotonic() + _SECONDS_TO_MAKE_TABLES
    while True:
        try:
            # Wrapped in Optuna's cache once: loading a study on the bare database starts with an empty cache, and rereads
            # every trial.
            return optuna.storages.get_storage(PatientDatabase(url))
        except Exception as error:  # each driver has its own
            # Of several processes that create a new database's tables at once, one creates each; a retry finds them.
            if time.monotonic() < deadline and re.search(_MADE_BY_ANOTHER, f"{error} {error.__cause__}"):
                time.sleep(random.uniform(0.1, 0.5))
                continue
            if isinstance(error, SweepError):
                raise
            driver = error.__cause__ if isinstance(error, ImportError) else None  # Optuna's own names no driver
            if isinstance(driver, ModuleNotFoundError) and driver.name:
                raise SweepError(f"hydra.sweeper.storage={redacted(url)}: {extras.package_needs(driver.name)}") from error
            reason = first_line(error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error)
            kind = StorageAwayError if is_passing(error) else SweepError
            raise kind(f"hydra.sweeper.storage={redacted(url)}: cannot be used ({scrubbed(reason)})") from error


def _sqlite(path: Path) -> str:
    """Return the URL of a SQLite file, whose path may have any characters."""
    from sqlalchemy.engine import URL

    return URL.create("sqlite", database=str(path)).render_as_string()


def _proxy(url: str) -> "optuna.storages.BaseStorage":
    try:
        import grpc
    except ImportError:
        raise SweepError(f"hydra.sweeper.storage={url}: {extras.package_needs('grpc')}") from None
    from hydra_async_sweeper.study.retrying_storages import PatientProxy

    try:
        address = urlsplit(url)
        host, port = address.hostname or "localhost", address.port or 13000
    except ValueError:  # of the port
        raise _refused(url) from None
    _reach_directly(host)
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=5)
        except grpc.FutureTimeoutError:
            raise StorageAwayError(
                f"hydra.sweeper.storage={url}: nobody answers there; python -m hydra_async_sweeper.serve starts a proxy"
            ) from None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is experimental")
        return PatientProxy(host=host, port=port)


def _reach_directly(host: str) -> None:
    """Exempt a host name of this machine from `http_proxy`, which gRPC uses even for that; Optuna passes it no options."""
    exempt = next(filter(None, map(os.environ.get, _EXEMPT)), "")
    if host in _OF_THIS_MACHINE and host not in exempt.split(","):
        os.environ[_EXEMPT[0]] = ",".join(filter(None, (exempt, host)))
