"""A user's own pictures: one folder a class; or a folder for each split, with one folder a class in each."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from densenet_sweep.data import picture, picture_set
from densenet_sweep.data.images import Source
from densenet_sweep.data.labels import alike, as_name
from densenet_sweep.data.picture_set import Listed
from densenet_sweep.data.reading import as_reading
from densenet_sweep.file_names import is_readable, readable

# The names of split folders in small letters.
SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "valid", "valid": "valid", "validation": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip


def image_folder(root: str, *, test_fraction: float, split_seed: int, on_bad_picture: str = "fail", **reading: Any) -> Source:
    """Return the pictures below `root`, each resized to the same size.

    `root` holds one folder a class; or `train` and possibly `val` and `test`, in any capitalisation and under usual other
    names, each with the same class folders. Without them, a stratified `test_fraction` is set apart. The decoded pictures are
    kept in a file (see `cache.load_or_decode`), and decoded again when a picture's name, size or time has changed. Neither
    decoding nor use needs memory for all of them.

    Args:
        root: of the pictures.
        test_fraction: in (0, 1).
        split_seed: of the choice of test pictures.
        on_bad_picture: `fail`, or `skip` to leave them out.
        reading: how pictures are read; see `reading.as_reading`.

    Raises:
        FileNotFoundError: no such folder, or no pictures in it.
        ValueError: pictures that cannot be decoded (all, by name); a class of a split that train does not have; folders that
            cannot be told apart, or links that lead back.
        OSError: a folder cannot be read, or the decoded pictures fit neither on a disk nor into memory.
    """
    how = as_reading(**reading)
    folder = Path(root)
    if folder.is_file():
        raise FileNotFoundError(
            f"data.root={root}: is a file; a folder with one folder of pictures a class is accepted, or data=image_table "
            "data.table=FILE"
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"data.root={root}: no such folder; a folder with one folder of pictures a class is accepted")
    listed = _listed(folder)
    if not listed.paths:
        raise FileNotFoundError(f"data.root={folder}: no pictures in its class folders; {_SUFFIXES_SHOWN} and others are read")
    return picture_set.load(
        listed,
        how,
        stem=f"{folder.name}-{how.height}x{how.width}px",
        test_fraction=test_fraction,
        split_seed=split_seed,
        skips_bad=on_bad_picture == "skip",
    )


_SUFFIXES_SHOWN = ".png, .jpg, .tif, .webp, .dcm"


def _listed(root: Path) -> Listed:
    """Return the pictures of a folder by its layout."""
    skipped: Counter[str] = Counter()
    folders = _folders(root, skipped)
    by_split: dict[str, list[str]] = {}
    for name in folders:
        if name.lower() in SPLIT_NAMES:
            by_split.setdefault(SPLIT_NAMES[name.lower()], []).append(name)
    named = [name for names in by_split.values() for name in names]
    for split, names in by_split.items():
        if len(names) > 1 and len(named) > 1 and (split == "train" or "train" in by_split):
            raise ValueError(f"data.root={root}: {' and '.join(names)} are both folders for {split}; one is accepted")
    if "train" not in by_split and len(named) > 1:
        raise ValueError(
            f"data.root={root}: {' and '.join(named)} are folders of splits, and there is none for training; "
            "a folder named train is accepted beside them"
        )
    if "train" not in by_split:
        for name in named:
            if inside := set(_folders(root / folders[name], Counter())) & set(folders):
                raise ValueError(
                    f"data.root={root}: {name} has folders of classes, such as {min(inside)}, and is beside them; "
                    f"a folder train with the classes, beside {name}, is accepted"
                )
        classes = _classes(root, folders)
        pairs = [(path, label) for label, name in enumerate(classes) for path in pictures_in(root / folders[name], skipped)]
        return Listed(
            root, classes, [path for path, _ in pairs], [label for _, label in pairs], skipped=skipped, remark=alike(classes)
        )
    train = root / folders[by_split["train"][0]]
    classes = _classes(train, _folders(train, skipped))
    paths: list[str] = []
    labels: list[int] = []
    splits: list[str] = []
    for split in picture_set.SPLITS:
        if split not in by_split:
            continue
        folder = root / folders[by_split[split][0]]
        present = _folders(folder, Counter() if folder == train else skipped)
        _refuse_unknown(folder, train, present, classes)
        for label, name in enumerate(classes):
            found = list(pictures_in(folder / present[name], skipped)) if name in present else []
            paths += found
            labels += [label] * len(found)
            splits += [split] * len(found)
    for name in folders:
        if name not in named:
            skipped[f"folder beside {train.name}: {name}"] += 1
    untested = f"data.root={root}: has no test pictures in class folders; a folder test with those of {train.name} is accepted"
    return Listed(root, classes, paths, labels, splits, skipped=skipped, remark=alike(classes), untested=untested)


def labelled_in(root: str, classes: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the pictures below the class folders of `root`, and the class of each.

    Raises:
        FileNotFoundError: no pictures in class folders.
        ValueError: `root` has folders of splits, which none of the `classes` is called; or a link leads back.
        OSError: a folder cannot be read.
    """
    skipped: Counter[str] = Counter()
    folders = _folders(Path(root), skipped)
    splits = [name for name in folders if name.lower() in SPLIT_NAMES and name not in classes]
    if splits:
        raise ValueError(f"{root}: has folders of splits; one of {', '.join(f'{root}/{name}' for name in splits)} is accepted")
    pairs = [(path, name) for name, folder in folders.items() for path in pictures_in(Path(root) / folder, skipped)]
    if not pairs:
        raise FileNotFoundError(
            f"{root}: no pictures in its class folders; a folder with one folder of pictures a class is accepted"
        )
    return [path for path, _ in pairs], [name for _, name in pairs]


def _refuse_unknown(folder: Path, train: Path, present: Mapping[str, str], classes: Sequence[str]) -> None:
    unknown = [name for name in present if name not in classes]
    if unknown:
        raise ValueError(f"{folder / present[unknown[0]]}: there is no class {unknown[0]} in {train}; remove or add it")


def _classes(folder: Path, folders: Mapping[str, str]) -> list[str]:
    if len(folders) < 2:
        found = f"only one class folder, {next(iter(folders))}" if folders else "no class folders"
        raise FileNotFoundError(f"data.root={folder}: has {found}; at least 2 are accepted")
    return list(folders)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is none of the user's: hidden, or what a Mac leaves beside copied files."""
    return name.startswith(".") or name == "__MACOSX"


def _folders(folder: Path, skipped: Counter[str]) -> dict[str, str]:
    """Return the folders in `folder` by their names as of classes, sorted; files beside them are counted as skipped.

    Raises:
        OSError: it cannot be read.
        ValueError: a name that is no text of one line, or two folders whose names differ in what cannot be seen.
    """
    found: dict[str, str] = {}
    for entry in _entries(folder):
        name = as_name(entry.name)
        if is_hidden(entry.name):
            skipped["hidden"] += entry.name != ".densenet_sweep"
        elif not _is_folder(entry):
            skipped["beside class folders"] += 1
        elif not name or not is_readable(entry.name):
            raise ValueError(f"{readable(entry.path)}: the name of a class is not one line of UTF-8; rename the folder")
        elif name in found:
            raise ValueError(
                f"{folder}: {found[name]!a} differs from {entry.name!a} in what cannot be seen; one folder {name} is accepted"
            )
        else:
            found[name] = entry.name
    return dict(sorted(found.items()))


def pictures_in(folder: Path, skipped: Counter[str]) -> list[str]:
    """Return the paths of the pictures in `folder` and below, as strings: there may be millions, and a Path is larger.

    What is no picture, or hidden, is counted in `skipped`.

    Raises:
        OSError: a folder cannot be read.
        ValueError: a link leads to a folder that it lies in.
    """
    return [str(path) for path in sorted(map(Path, _below(str(folder), (), skipped, picture.suffixes())))]


def _below(folder: str, above: tuple[tuple[int, int], ...], skipped: Counter[str], suffixes: frozenset[str]) -> Iterator[str]:
    """Yield the pictures in `folder` and below; `above` identifies the folders that it lies in.

    Raises:
        ValueError: a link leads to a folder that it lies in.
    """
    stat = os.stat(folder)  # noqa: PTH116 - a Path for each of a million folders takes time
    here = (stat.st_dev, stat.st_ino)
    if here in above:
        raise ValueError(f"{folder}: is a link to a folder that it lies in, so there is no end of pictures; remove it")
    for entry in _entries(folder):
        if is_hidden(entry.name):
            skipped["hidden"] += 1
        elif _is_folder(entry):
            yield from _below(entry.path, (*above, here), skipped, suffixes)
        elif Path(entry.name).suffix.lower() not in suffixes:
            skipped[f"{Path(entry.name).suffix.lower() or 'without suffix'}"] += 1
        elif entry.is_symlink() or entry.is_file():
            yield entry.path
        else:  # a pipe, whose reader waits for ever
            skipped["no file"] += 1


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _entries(folder: str | Path) -> list["os.DirEntry[str]"]:
    """Return what is in a folder.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise OSError(f"{folder}: cannot be read ({error.strerror})") from None
