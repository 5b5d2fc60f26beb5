"""A user's own pictures, whatever lists them: decoded once for all processes, split, and checked as a whole.

All bad pictures are named at once.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from densenet_sweep.counts import counted
from densenet_sweep.data import labels as label_sets
from densenet_sweep.data.cache import Decoding, file_name, load_or_decode
from densenet_sweep.data.images import Found, HeldBack, Images, Source
from densenet_sweep.data.parts import VERSION, Parts
from densenet_sweep.data.picture import Reading
from densenet_sweep.data.split import split_rows
from densenet_sweep.file_names import readable

# Of bad pictures, so many are named.
_MOST_NAMES = 50

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Listed:
    """Labelled pictures, before any of them is read.

    Attributes:
        root: a folder; the decoded pictures are kept there, and names are relative to it.
        class_names: by label.
        paths: of the pictures.
        labels: of the same; of several labels each, multi-hot.
        splits: of the same, each one of `SPLITS`; None where none are given.
        groups: of the same, numbered from 0; None where pictures do not belong together.
        weights: of the same, in the training loss; None where all count as much.
        skipped: how many files were left out, by the reason.
        remark: for the user.
        untested: why there are no test pictures though `splits` are given.
    """

    root: Path
    class_names: Sequence[str]
    paths: Sequence[str]
    labels: Sequence[int | tuple[int, ...]]
    splits: Sequence[str] | None = None
    groups: Sequence[int] | None = None
    skipped: Counter[str] = field(default_factory=Counter)
    remark: str = ""
    untested: str = ""
    weights: Sequence[float] | None = None


def load(listed: Listed, how: Reading, *, stem: str, test_fraction: float, split_seed: int, skips_bad: bool) -> Source:
    """Return the pictures, decoded, with their splits.

    Where none are given, a stratified `test_fraction` is set apart, by groups where there are some.

    Args:
        listed: the pictures.
        how: they are read. Without a range of values, it is the lowest and highest one of the pictures that are neither in a
            given validation split nor in the test split.
        stem: of the file's name.
        test_fraction: in (0, 1).
        split_seed: of the choice.
        skips_bad: leave bad pictures out; otherwise they are an error.

    Raises:
        ValueError: bad pictures, in one line; floating-point values without a range; a class too small to be split.
        OSError: the decoded pictures fit neither on a disk nor into memory.
    """
    identities = list(_identities(listed))
    described = [VERSION, astuple(how), *identities]
    # The range of values depends on the splits, and nothing else in the file does.
    splits = [listed.splits, listed.groups] + ([] if listed.splits is not None else [test_fraction, split_seed])
    names = [file_name(stem, *described), file_name(f"{stem}-values", *described, *splits)]

    def cut(rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return which of the pictures in `rows` are for what, as places in `rows`."""
        if listed.splits is not None:
            given = np.asarray(listed.splits)[rows]
            return {name: np.flatnonzero(given == name) for name in SPLITS}
        train, test = split_rows(
            label_sets.strata(np.asarray(listed.labels)[rows]),
            valid_fraction=test_fraction,
            num_train=None,
            seed=split_seed,
            key="data.test_fraction",
            num_left=2,  # one for training and one for validation come first
            groups_N=None if listed.groups is None else np.asarray(listed.groups)[rows],
        )
        return {"train": train, "valid": np.array([], np.int64), "test": test}

    def decode() -> Decoding:
        parts = Parts(listed.root, listed.paths, how, identities)
        _refuse_unclear(listed, parts.unclear)
        if parts.bad and not skips_bad:
            raise ValueError(_bad(listed, parts.bad))
        good = np.setdiff1d(np.arange(len(listed.paths)), list(parts.bad))
        if not len(good):
            raise ValueError(_bad(listed, parts.bad))
        value_range = how.value_range or parts.value_range(good[cut(good)["train"]])
        with_levels = np.setdiff1d(good, parts.with_values).tolist()
        about = {
            "rows": good.tolist() if parts.bad else None,
            "bad": [[row, reason] for row, reason in parts.bad.items()],
            "contents": [f"{content:016x}" for content in parts.contents_N[good]],
            "value_range": value_range if parts.with_values else None,
            "with_levels": [len(with_levels), *with_levels[:1]],
            "more": [len(parts.more), *parts.more[:1]],
        }
        return Decoding(
            listed.class_names,
            [listed.labels[row] for row in good],
            how.shape_CHW,
            lambda: parts.blocks(value_range),
            about,
            names[1] if parts.with_values and how.value_range is None else names[0],
            parts.remove,
        )

    decoded = load_or_decode(names, listed.root, decode)
    about = decoded.about
    bad = {int(row): str(reason) for row, reason in about["bad"]}
    if bad and not skips_bad:
        raise ValueError(_bad(listed, bad))
    rows = np.arange(len(listed.paths)) if about["rows"] is None else np.asarray(about["rows"])
    places = cut(rows)
    labels = np.asarray(listed.labels)[rows]

    def select(name: str) -> Images:
        groups_M = None if listed.groups is None else np.asarray(listed.groups)[rows]
        weights_M = None if listed.weights is None else torch.tensor(np.asarray(listed.weights)[rows], dtype=torch.float32)
        return replace(decoded.images, groups_N=groups_M, weights_N=weights_M).select(torch.from_numpy(places[name]))

    def load_test() -> Images:
        if untested:
            raise FileNotFoundError(untested)
        return select("test")

    untested = listed.untested if not len(places["test"]) else ""
    tested = label_sets.counts(labels[places["test"]], len(listed.class_names))
    missing = [name for name, count in zip(listed.class_names, tested, strict=True) if not count]
    said = f"no test pictures of {', '.join(missing)}: a test says nothing of it" if missing and not untested else ""
    skipped = listed.skipped + Counter({f"bad, such as {_name(listed, next(iter(bad)))}": len(bad)} if bad else {})
    num_more, *first_more = about["more"]
    more = f"{counted(num_more, 'file')} with more than one page or frame, such as " if num_more else ""
    pages = "".join(f"{more}{_name(listed, row)}: the first one is read" for row in first_more)
    lowest_highest = about["value_range"]
    num_levels, *first_level = about["with_levels"]
    of_range = ""
    if lowest_highest is not None and num_levels:
        subject = "picture is" if num_levels == 1 else "pictures are"
        of_range = (
            f"{num_levels:,} {subject} read as 8-bit levels, such as {_name(listed, first_level[0])}; "
            "the range of values is that of the others"
        )
    elif lowest_highest is None and how.value_range is not None:
        of_range = "data.value_range changes nothing, as all pictures are read as 8-bit levels"
    return Source(
        tuple(listed.class_names),
        select("train"),
        HeldBack(load_test),
        "; ".join(remark for remark in (decoded.remark, listed.remark, said, pages, of_range) if remark),
        valid=select("valid") if listed.splits is not None and len(places["valid"]) else None,
        groups_N=None if listed.groups is None else np.asarray(listed.groups)[rows[places["train"]]],
        value_range=None if lowest_highest is None else (float(lowest_highest[0]), float(lowest_highest[1])),
        untested=untested,
        test_fraction=test_fraction if listed.splits is None else None,
        found=Found(
            names=[_name(listed, int(row)) for row in rows],
            contents=np.array([int(content, 16) for content in about["contents"]], np.uint64),
            test_rows=places["test"],
            test_labels=labels[places["test"]],
            skipped=", ".join(f"{count:,} {reason}" for reason, count in skipped.items()),
        ),
    )


def _identities(listed: Listed) -> Iterator[tuple[object, ...]]:
    """Yield name, label, size and time of each file; those of a file that cannot be read are 0."""
    for row, (path, label) in enumerate(zip(listed.paths, listed.labels, strict=True)):
        try:
            stat = Path(path).stat()
        except OSError:  # a broken link, which is a bad picture
            yield _name(listed, row), label, 0, 0
        else:
            yield _name(listed, row), label, stat.st_size, stat.st_mtime_ns


def _name(listed: Listed, row: int) -> str:
    return readable(listed.paths[row].removeprefix(f"{listed.root}/"))


def _refuse_unclear(listed: Listed, rows: Sequence[int]) -> None:
    if rows:
        subject = "picture holds" if len(rows) == 1 else "pictures hold"
        raise ValueError(
            f"{len(rows):,} {subject} floating-point values, such as {_name(listed, rows[0])}: "
            "data.value_range=[LOW,HIGH] says which of them are black and white"
        )


def _bad(listed: Listed, bad: dict[int, str]) -> str:
    """Return one line on all bad pictures."""
    by_class = label_sets.counts(np.asarray(listed.labels)[list(bad)], len(listed.class_names))
    counts = ", ".join(f"{name} {count:,}" for name, count in zip(listed.class_names, by_class, strict=True) if count)
    named = [f"{_name(listed, row)} ({reason})" for row, reason in list(bad.items())[:_MOST_NAMES]]
    more = f" and {len(bad) - _MOST_NAMES:,} more" if len(bad) > _MOST_NAMES else ""
    return (
        f"data.root={listed.root}: {len(bad):,} of {counted(len(listed.paths), 'picture')} cannot be decoded as a picture "
        f"({counts}): "
        f"{', '.join(named)}{more}; remove or replace them, or data.on_bad_picture=skip leaves them out"
    )
