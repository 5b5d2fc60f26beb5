"""The URI of a SQLite file and the file of such a URI, whatever characters the path has."""

from pathlib import Path


def file_of(uri: str) -> Path | None:
    """Return the file of a SQLite URI as SQLAlchemy reads it, or None where `uri` is something else."""
    scheme, _, path = uri.partition(":///")
    if scheme.split("+")[0] != "sqlite" or not path.partition("?")[0]:
        return None
    from sqlalchemy.engine import make_url

    database = make_url(uri).database
    return Path(database) if database else None


def uri_of(file: Path, like: str = "sqlite:///") -> str:
    """Return the URI of `file`, absolute, with the driver and the options of the URI `like`."""
    path = str(file.absolute())
    scheme, _, rest = like.partition(":///")
    if "%" not in path and "?" not in path:
        _, mark, options = rest.partition("?")
        return f"{scheme}:///{path}{mark}{options}"
    from sqlalchemy.engine import make_url

    # Where no driver is named, MLflow (3.17) also makes a folder of the path as it is quoted.
    return make_url(like).set(drivername="sqlite+pysqlite", database=path).render_as_string()
