"""`tracking.uri`: what MLflow can record to, and the file of a SQLite URI, whatever characters its path has."""

import os
import urllib.parse
from pathlib import Path

from hydra_async_sweeper.application import advice_on_storage, redacted

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite URI as SQLAlchemy reads it, or None where `uri` is something else."""
    scheme, _, path = uri.partition(":///")
    if scheme.split("+")[0] != "sqlite" or not path.partition("?")[0]:
        return None
    from sqlalchemy.engine import make_url

    database = make_url(uri).database
    return Path(database) if database else None


def sqlite_uri(file: Path, like: str = "sqlite:///") -> str:
    """Return the URI of `file`, absolute, with the driver and the options of the URI `like`."""
    path = str(file.absolute())
    scheme, _, rest = like.partition(":///")
    if "%" not in path and "?" not in path:
        _, mark, options = rest.partition("?")
        return f"{scheme}:///{path}{mark}{options}"
    from sqlalchemy.engine import make_url

    # If no driver is named, MLflow (3.17) also creates a folder with the quoted path.
    return make_url(like).set(drivername="sqlite+pysqlite", database=path).render_as_string()


def check_uri(uri: str) -> None:
    """Refuse what MLflow cannot record to.

    Raises:
        ValueError: naming `tracking.uri` and what is accepted.
    """
    scheme = urllib.parse.urlsplit(uri).scheme.split("+")[0]
    hint = None
    if scheme in ("", "file"):
        hint = "; MLflow 3.13 and newer refuse a plain folder"
    elif scheme not in (*_DATABASES, "http", "https") or "://" not in uri:
        hint = ""
    elif scheme == "sqlite" and sqlite_file(uri) is None:
        hint = "; a file is given after three slashes, or four where its path is absolute"
    if hint is not None:
        raise ValueError(
            f"tracking.uri={redacted(uri)}: a database (sqlite:///mlruns/mlflow.db, postgresql://...) or a server (http://...) "
            f"is accepted{hint}"
        )


def check_uri_password(uri: str) -> None:
    """Refuse a password in `uri`, as it would be written to files; a database's in `MLFLOW_TRACKING_URI` is accepted.

    Raises:
        ValueError: there is one; the message does not show it.
    """
    if redacted(uri) != uri and (is_server(uri) or uri != os.environ.get("MLFLOW_TRACKING_URI")):
        shown = f"tracking.uri={redacted(uri)}"
        raise ValueError(f"{shown}: a password is taken from the environment alone: {advice_for_mlflow(uri)}")


def advice(key: str, url: str) -> str:
    """Return how a URL with a password reaches `key`: MLflow reads variables of its own."""
    if key.rpartition(".")[0] == "tracking":
        return advice_for_mlflow(url)
    return advice_on_storage(key, url, "DENSENET_SWEEP_STORAGE")


def advice_for_mlflow(url: str) -> str:
    """Return advice on the MLflow variables that hold a store's password."""
    if is_server(url):
        return "export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and give the address without them"
    return "export MLFLOW_TRACKING_URI=URL, and leave tracking.uri as it is"


def is_server(uri: str) -> bool:
    """Return whether `uri` is an MLflow server's."""
    return uri.startswith(("http://", "https://"))
