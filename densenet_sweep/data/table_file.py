"""A table in a file: CSV, Parquet or JSON lines, as people's programs write them, and its cells as text."""

import csv
import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from densenet_sweep.counts import counted
from densenet_sweep.data import labels

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")

# What stands between the cells of a CSV, where its header has no comma: spreadsheets write these in some languages.
_OTHERS = (";", "\t")


def read(path: Path, name: str | None = None) -> "pd.DataFrame":
    """Return the table in a file; what CSV holds stays text, so that a class may be called NA or 007.

    The cells of a CSV are separated as its header is, by commas or else by semicolons or tabs. Spaces around the names of
    columns are removed.

    Args:
        path: of the file.
        name: what messages call it; `data.table=PATH` unless given.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be read, has two columns of one name, or rows with more cells than the header.
    """
    import pandas as pd

    name = f"data.table={path}" if name is None else name
    if not path.is_file():
        raise FileNotFoundError(f"{name}: no such file")
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            rows = _read_csv(path.read_bytes(), "\t" if suffix == ".tsv" else ",")
        elif suffix == ".parquet":
            rows = pd.read_parquet(path)
        elif suffix in (".jsonl", ".ndjson"):
            lines = path.read_bytes().decode("utf-8-sig").split("\n")
            # pandas' own reader makes dates of numbers in columns of some names.
            rows = pd.DataFrame([json.loads(line) for line in lines if line.strip()], dtype=object)
        else:
            raise ValueError(f"{name}: one of {', '.join(_SUFFIXES)} is accepted")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: cannot be read (its text is not UTF-8, which is accepted)") from None
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, ValueError) as error:
        if str(error).startswith(name):
            raise
        reason = " ".join(str(error).split())
        raise ValueError(f"{name}: cannot be read ({reason})") from None
    return with_names(rows, name)


def with_names(rows: "pd.DataFrame", table: str) -> "pd.DataFrame":
    """Return a table with its columns' names as text, without spaces around them.

    Raises:
        TypeError: it is no DataFrame.
        ValueError: two columns have one name.
    """
    import pandas as pd

    if not isinstance(rows, pd.DataFrame):
        raise TypeError(f"{table}: is a {type(rows).__name__}; the path of a file or a pandas DataFrame is accepted")
    names = [str(name).strip() for name in rows.columns]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{table}: has {names.count(twice)} columns {twice}; one is accepted")
    return rows.set_axis(names, axis="columns")


def _read_csv(content: bytes, separator: str) -> "pd.DataFrame":
    import pandas as pd

    text = content.decode("utf-8-sig")
    header = next((line for line in text.splitlines() if line.strip()), "")
    if separator not in header:
        separator = next((it for it in _OTHERS if it in header), separator)
    names = next(csv.reader([header], delimiter=separator), [])
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            rows = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False)
        except pd.errors.ParserWarning:
            raise ValueError("rows have more cells than the header") from None
    # pandas numbers columns of one name.
    return rows.set_axis(names, axis="columns") if len(names) == len(rows.columns) else rows


def as_text(value: Any, separator: str | None) -> str:
    """Return a value as CSV would have it: 3.0, which a column with gaps makes of 3, is 3; nothing is empty, a list joined."""
    import pandas as pd

    if isinstance(value, list | tuple | np.ndarray):
        return (separator or labels.SEPARATOR).join(as_text(it, separator) for it in value)
    if pd.isna(value):  # of several kinds: None, NaN, pandas' own
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def as_label(value: Any, separator: str | None) -> str:
    """Return the same of a label, which is one line."""
    return " ".join(as_text(value, separator).split())


def refuse_missing(rows: "pd.DataFrame", columns: Sequence[str], name: str) -> None:
    """Refuse a table that lacks some of the columns.

    Raises:
        ValueError: names the first, and those that there are.
    """
    missing = [column for column in columns if column not in rows]
    if missing:
        raise ValueError(f"{name}: has no column {missing[0]}; it has {', '.join(str(column) for column in rows.columns)}")


def refuse_empty(values: Sequence[str], column: str, name: str, hint: str = "") -> None:
    """Refuse a column with empty cells.

    Raises:
        ValueError: says how many, and names the first row.
    """
    empty = [row for row, value in enumerate(values) if not value]
    if empty:
        said = f"{counted(len(empty), 'row')} without {column}, the first of them row {empty[0] + 1}"
        raise ValueError(f"{name}: {said}{hint}")
