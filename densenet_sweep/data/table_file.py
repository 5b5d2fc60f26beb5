"""A table in a file: CSV, Parquet or JSON lines, as people's programs write them, and its cells as text."""

import csv
import io
import json
import warnings
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from densenet_sweep.counts import counted
from densenet_sweep.data import labels
from densenet_sweep.file_names import is_readable, readable

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")

# What stands between the cells of a CSV instead of commas: spreadsheets write these in some languages.
_OTHERS = (";", "\t")

# So many columns are named.
_MOST_COLUMNS = 20


def read(path: Path, name: str | None = None) -> "pd.DataFrame":
    """Return the table in a file; what CSV holds stays text, so that a class may be called NA or 007.

    The cells of a CSV are separated as its header is: by what gives it most columns, commas before semicolons before tabs.
    Spaces around the names of columns are removed.

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
            rows = pd.DataFrame([_of_line(*it) for it in enumerate(lines, 1) if it[1].strip()], dtype=object)
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


def _of_line(number: int, line: str) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError(f"line {number} is a {type(value).__name__}; an object with a value for each column is accepted")
    return value


def _read_csv(content: bytes, separator: str) -> "pd.DataFrame":
    import pandas as pd

    text = content.decode("utf-8-sig")
    header = next((line for line in text.splitlines() if line.strip()), "")
    headers = {it: next(csv.reader([header], delimiter=it), []) for it in (separator, *_OTHERS)}
    separator, names = max(headers.items(), key=lambda it: len(it[1]))  # the first of equals
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            rows = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False)
        except pd.errors.ParserWarning:
            raise ValueError("rows have more cells than the header") from None
    # pandas numbers columns of one name.
    return rows.set_axis(names, axis="columns") if len(names) == len(rows.columns) else rows


def texts(rows: "pd.DataFrame", column: str, name: str, separator: str | None = None, *, is_path: bool = False) -> list[str]:
    """Return the cells of a column as text: a path as it is, everything else as `labels.as_name` has it.

    Args:
        rows: the table.
        column: of it.
        name: of the table.
        separator: of the parts of a list.
        is_path: the column is of paths.

    Raises:
        ValueError: names the first row whose value is no text, number or list of such, or text of more than one line.
    """
    found = []
    for row, value in enumerate(rows[column].tolist(), 1):
        try:
            cell = as_text(value, separator)
            found.append(cell if is_path else labels.as_name(cell))
            if not is_path and not is_readable(found[-1]):
                raise ValueError(f"{readable(cell)} has characters that cannot be shown")
        except ValueError as error:
            raise ValueError(f"{name}: row {row}: {column} {error}") from None
    return found


def as_text(value: Any, separator: str | None) -> str:
    """Return a value as CSV would have it: 3.0, which a column with gaps makes of 3, is 3; nothing is empty, a list joined.

    Raises:
        ValueError: a value of another kind, or a part of a list that has the separator.
    """
    import pandas as pd

    if isinstance(value, list | tuple | np.ndarray):
        parts = [as_text(it, separator) for it in value]
        divided = next((it for it in parts if separator is not None and separator in it), None)
        if divided is not None:
            raise ValueError(f"lists {divided}, in which the separator of labels is; another separator is accepted")
        return (separator or labels.SEPARATOR).join(parts)
    if isinstance(value, Mapping | Set):
        raise ValueError(f"is a {type(value).__name__}; text, a number or a list of them is accepted")
    if isinstance(value, bytes):
        return value.decode().strip()
    if pd.isna(value):  # of several kinds: None, NaN, pandas' own
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def refuse_missing(rows: "pd.DataFrame", columns: Sequence[str], name: str) -> None:
    """Refuse a table that lacks some of the columns.

    Raises:
        ValueError: names the first, and those that there are.
    """
    missing = [column for column in columns if column not in rows]
    if missing:
        named = [str(column) for column in rows.columns[:_MOST_COLUMNS]]
        more = f" and {len(rows.columns) - len(named):,} more" if len(rows.columns) > len(named) else ""
        raise ValueError(f"{name}: has no column {missing[0]}; it has {', '.join(named)}{more}")


def refuse_empty(values: Sequence[str], column: str, name: str, hint: str = "") -> None:
    """Refuse a column with empty cells.

    Raises:
        ValueError: says how many, and names the first row.
    """
    empty = [row for row, value in enumerate(values) if not value]
    if empty:
        said = f"{counted(len(empty), 'row')} without {column}, the first of them row {empty[0] + 1}"
        raise ValueError(f"{name}: {said}{hint}")
