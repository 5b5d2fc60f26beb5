"""A user's own pictures, listed by a table: CSV, Parquet or JSON lines, or a pandas DataFrame."""

import math
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densenet_sweep.counts import counted
from densenet_sweep.data import labels, picture_set
from densenet_sweep.data import weights as weighting
from densenet_sweep.data.image_folder import SPLIT_NAMES
from densenet_sweep.data.images import Source
from densenet_sweep.data.picture_set import Listed
from densenet_sweep.data.reading import as_reading
from densenet_sweep.data.table_file import read, refuse_empty, refuse_missing, texts, with_names
from densenet_sweep.file_names import readable

if TYPE_CHECKING:
    import pandas as pd

# The split column by default; a table without it has no splits.
_SPLIT = "split"


def image_table(
    root: str,
    *,
    table: "str | os.PathLike[str] | pd.DataFrame",
    path_column: str = "path",
    label_column: str = "label",
    split_column: str | None = _SPLIT,
    group_column: str | None = None,
    weight_column: str | None = None,
    label_separator: str | None = labels.SEPARATOR,
    multi_label: bool | None = None,
    leave_out: Sequence[str] | None = None,
    test_fraction: float,
    split_seed: int,
    on_bad_picture: str = "fail",
    **reading: Any,
) -> Source:
    """Return the pictures that a table lists, each resized to the same size; kept and decoded as those of `image_folder`.

    Args:
        root: what paths are relative to; where it is empty or lacks them, the folder of the table.
        table: a file, or a DataFrame.
        path_column: of the pictures.
        label_column: of their classes, or of the labels of each.
        split_column: of `train`, `val` and `test`, or usual other names; None, or a table without a column `split`: test
            and validation pictures are set apart.
        group_column: of what belongs together, such as a patient; a group is in one split.
        weight_column: of how much each picture counts in the training loss: numbers of at least 0. Those of pictures for
            testing are not read.
        label_separator: between the labels of a picture; None: each cell is one class.
        multi_label: whether a cell lists labels, any number of them; None: if the separator is in any cell.
        leave_out: a column and a value of it: the pictures with this value are those for testing, and no others, whatever the
            split column says.
        test_fraction: in (0, 1), set apart where no splits are given.
        split_seed: of the choice.
        on_bad_picture: `fail`, or `skip` to leave them out.
        reading: how pictures are read; see `reading.as_reading`.

    Raises:
        FileNotFoundError: no such table, or pictures that are not there.
        ValueError: a column or a label is missing, a split of unknown name, a group in two given splits; or as `image_folder`.
        OSError: as `image_folder`.
    """
    how = as_reading(**reading)
    file = Path(table) if isinstance(table, str | os.PathLike) else None
    rows, name = (with_names(table, "the table"), "the table") if file is None else (read(file), f"data.table={table}")
    columns = [path_column, label_column]
    if split_column is not None and (split_column in rows or split_column != _SPLIT):
        columns.append(split_column)
    columns += [it for it in (group_column, weight_column, *(leave_out or ())[:1]) if it is not None and it not in columns]
    refuse_missing(rows, columns, name)
    text = {it: texts(rows, it, name, label_separator, is_path=it == path_column) for it in columns}
    separator = _separator(text[label_column], label_separator, multi_label)
    for column in [it for it in columns if it != weight_column]:
        if column != label_column or separator is None:
            hint = "; data.multi_label=true if a picture may have no label" if column == label_column else ""
            refuse_empty(text[column], column, name, hint)
    if not len(rows):
        raise ValueError(f"{name}: has no rows")
    bases = [*([Path(root)] if root else []), *([file.parent] if file is not None else [])]
    base, paths = _found(text[path_column], bases or [Path()], name)
    class_names, of_pictures = _classes(text[label_column], separator)
    if len(class_names) < 2:
        value = f"one value, {class_names[0]}" if class_names else "no value"
        raise ValueError(f"{name}: {label_column} has {value}; at least 2 classes are accepted")
    splits = [_split(value, name) for value in text[split_column]] if split_column in columns and split_column else None
    if leave_out is not None:
        splits = _without(text[leave_out[0]], labels.as_name(leave_out[1]), f"data.leave_out=[{','.join(leave_out)}]")
    groups = None
    if group_column is not None:
        of_groups = {group: index for index, group in enumerate(dict.fromkeys(text[group_column]))}
        groups = [of_groups[group] for group in text[group_column]]
        _refuse_crossing(text[group_column], splits, group_column, name)
    if splits is not None and "train" not in splits:
        raise ValueError(f"{name}: {split_column} names no picture for training; train is accepted")
    weights = None
    if weight_column is not None:
        is_used = [split != "test" for split in splits] if splits is not None else [True] * len(rows)
        weights = weighting.parse(text[weight_column], is_used, column=weight_column, name=name)
    listed = Listed(
        base,
        class_names,
        paths,
        of_pictures,
        splits,
        groups,
        Counter(),
        untested=f"{name}: {split_column} names no picture for testing; test is accepted",
        weights=weights,
        remark="; ".join(filter(None, [labels.alike(class_names), _listed_again(text[path_column])])),
    )
    return picture_set.load(
        listed,
        how,
        stem=f"{'table' if file is None else file.stem}-{how.height}x{how.width}px",
        test_fraction=test_fraction,
        split_seed=split_seed,
        skips_bad=on_bad_picture == "skip",
    )


def classes_by_value(table: str, column: str, label_column: str, separator: str | None) -> dict[str, set[str]]:
    """Return the values of a column of a table, in its order, each with the classes of its pictures.

    `separator` stands between the labels of a cell; None: each cell is one class.

    Raises:
        FileNotFoundError, ValueError: no such table or column, or one without a value in some row.
    """
    rows, name = read(Path(table)), f"data.table={table}"
    refuse_missing(rows, [column, label_column], name)
    values, cells = texts(rows, column, name), texts(rows, label_column, name, separator)
    refuse_empty(values, column, name)
    found: dict[str, set[str]] = {}
    for value, cell in zip(values, cells, strict=True):
        found.setdefault(value, set()).update([cell] if separator is None else labels.split_cells([cell], separator)[0])
    return found


def _without(values: Sequence[str], left_out: str, key: str) -> list[str]:
    """Return the splits in which the pictures of one value are those for testing."""
    splits = ["test" if value == left_out else "train" for value in values]
    if len(set(splits)) < 2:
        how_many = "every" if "train" not in splits else "no"
        raise ValueError(f"{key}: {how_many} picture has this value; one that some have and others do not is accepted")
    return splits


def _listed_again(paths: Sequence[str]) -> str:
    """Return a sentence on pictures in several rows; empty if there are none."""
    again = [path for path, count in Counter(paths).items() if count > 1]
    if not again:
        return ""
    return f"{counted(len(again), 'picture')} in more than one row, such as {readable(again[0])}"


def _separator(cells: Sequence[str], given: str | None, multi_label: bool | None) -> str | None:
    """Return what separates the labels in the cells; None where each is one class."""
    if given is None or multi_label is False:
        return None
    return given if multi_label or any(given in cell for cell in cells) else None


def _classes(cells: Sequence[str], separator: str | None) -> tuple[list[str], list[int] | list[tuple[int, ...]]]:
    """Return the classes in order, and the label of each picture or, with a separator, its labels as multi-hot."""
    if separator is None:
        class_names = _sorted(cells)
        numbers = {name: index for index, name in enumerate(class_names)}
        return class_names, [numbers[cell] for cell in cells]
    having = labels.split_cells(cells, separator)
    class_names = _sorted([label for of_one in having for label in of_one])
    return class_names, labels.multi_hot(having, class_names)


def _sorted(cells: Sequence[str]) -> list[str]:
    """Return the classes in order: of numbers if all are, else of the alphabet."""
    names = set(cells)
    try:
        numbers = {name: float(name) for name in names}
    except ValueError:
        return sorted(names)
    # There is no order of what is not a number.
    return sorted(names, key=lambda name: (numbers[name], name)) if all(map(math.isfinite, numbers.values())) else sorted(names)


def _split(value: str, name: str) -> str:
    if value.lower() not in SPLIT_NAMES:
        raise ValueError(f"{name}: split {value}: one of {', '.join(SPLIT_NAMES)} is accepted")
    return SPLIT_NAMES[value.lower()]


def _found(given: Sequence[str], bases: Sequence[Path], name: str) -> tuple[Path, list[str]]:
    """Return the first of the folders `bases` that all paths are relative to, and the whole paths.

    Raises:
        FileNotFoundError: pictures are in none of the folders.
    """
    missing: dict[Path, list[str]] = {}
    for base in bases:
        paths = [_on_this_system(base, path) for path in given]
        missing[base] = [path for path in paths if not os.path.exists(path)]  # noqa: PTH110 - Path's raises for long names
        if not missing[base]:
            return base, paths
    base = min(missing, key=lambda it: len(missing[it]))
    first = ", ".join(map(readable, missing[base][:3]))
    raise FileNotFoundError(
        f"{name}: {len(missing[base]):,} of {counted(len(given), 'picture')} not found, such as {first}; "
        "paths relative to data.root or to the table are accepted"
    )


def _on_this_system(base: Path, path: str) -> str:
    """Return the whole path; where there is no such file, the one that Windows' separators or another form of letters give."""
    written = (path, path.replace("\\", "/"))
    forms = (*written, *(unicodedata.normalize(form, it) for form in ("NFC", "NFD") for it in written))
    wholes = [str(base / form) for form in dict.fromkeys(forms)]
    return next((whole for whole in wholes if os.path.exists(whole)), wholes[0])  # noqa: PTH110


def _refuse_crossing(groups: Sequence[str], splits: Sequence[str] | None, column: str, name: str) -> None:
    if splits is None:
        return
    found: dict[str, set[str]] = {}
    for group, split in zip(groups, splits, strict=True):
        found.setdefault(group, set()).add(split)
    crossing = [group for group, those in found.items() if len(those) > 1]
    if crossing:
        those = " and ".join(sorted(found[crossing[0]]))
        raise ValueError(
            f"{name}: {counted(len(crossing), 'group')} of {column} in more than one split, such as {crossing[0]} in {those}; "
            "a group belongs to one"
        )


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures, with the cells of their labels: of a table, where each may list some or none, or the class folders of a folder.

    Attributes:
        paths: of the pictures.
        cells: of the labels.
    """

    paths: list[str]
    cells: list[str]
    _rows: "pd.DataFrame | None" = None
    _name: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether there is no table."""
        return self._rows is None

    def has(self, column: str) -> bool:
        """Return whether the table has this column."""
        return self._rows is not None and column in self._rows

    def column(self, column: str) -> list[str]:
        """Return a value for each picture.

        Raises:
            ValueError: there is no table; there is no such column, or a row without a value.
        """
        if self._rows is None:
            raise ValueError(f"--group-column {column}: is for tables")
        refuse_missing(self._rows, [column], self._name)
        values = texts(self._rows, column, self._name)
        refuse_empty(values, column, self._name)
        return values


def labelled_in(
    table: str,
    *,
    path_column: str,
    label_column: str,
    split_column: str = _SPLIT,
    split: str | None = None,
    separator: str = labels.SEPARATOR,
    root: str = "",
    root_of_training: str = "",
) -> Labelled:
    """Return the pictures that a table lists, and their labels; for a `split`, those of the split.

    The labels of a picture in a list, as JSON has them, are joined by `separator`. Paths are relative to `root`, if it is given
    and has them, or else to the folder of the table, or else to `root_of_training`: a table beside its own pictures is never
    taken for one of those of the training.

    Raises:
        FileNotFoundError: no such table, or pictures that are not there.
        ValueError: a column or a path is missing, or there are no rows.
    """
    rows, name = read(Path(table), table), table
    refuse_missing(rows, [path_column, label_column, *([] if split is None else [split_column])], name)
    if split is not None:
        wanted = _split(split, name)
        rows = rows[[_split(value, name) == wanted for value in texts(rows, split_column, name)]]
    paths = texts(rows, path_column, name, is_path=True)
    refuse_empty(paths, path_column, name)
    if not paths:
        raise ValueError(f"{name}: has no rows" if split is None else f"{name}: has no rows of the split {split}")
    cells = texts(rows, label_column, name, separator)
    bases = [*([Path(root)] if root else []), Path(table).parent, *([Path(root_of_training)] if root_of_training else [])]
    return Labelled(_found(paths, bases, name)[1], cells, rows, name)
