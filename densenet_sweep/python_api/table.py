"""A table in memory as a file, which trials in other processes read and with which a run or a study is continued."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = Path("outputs", "tables")


def with_table(overrides: Sequence[str], table: "pd.DataFrame | None") -> list[str]:
    """Return the overrides, and those that name the table, which is written below `outputs/tables` by its content.

    Raises:
        TypeError: it is no DataFrame.
        ValueError: the overrides name a table, too; or it has two columns of one name, or values that are no text.
    """
    if table is None:
        return list(overrides)
    keys = [override.partition("=")[0] for override in overrides]
    if "data.table" in keys:
        raise ValueError(f"table: is given, and so is {overrides[keys.index('data.table')]}; one of them is accepted")
    ours = {"data": "image_table", "data.root": ".", "data.table": _written(table).as_posix()}
    return [*(f"{key}={value}" for key, value in ours.items() if key not in keys), *overrides]


def _written(table: "pd.DataFrame") -> Path:
    """Return the file that has this table."""
    from densenet_sweep.data.table_file import with_names

    rows = with_names(table, "table").to_dict("records")
    content = "".join(f"{json.dumps(row, default=_plain, ensure_ascii=False)}\n" for row in rows).encode()
    path = _FOLDER / f"{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
    if not path.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".partial")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    return path


def _plain(value: Any) -> Any:
    """Return what JSON lacks as a list or text."""
    import numpy as np

    from densenet_sweep.data.table_file import as_text

    if isinstance(value, np.ndarray):
        return value.tolist()
    try:
        return as_text(value, None)
    except ValueError as error:
        raise ValueError(f"table: a value {error}") from None
