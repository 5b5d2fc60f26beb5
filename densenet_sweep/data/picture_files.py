"""Pictures that a command names: files, folders and patterns; decoded in batches, past bad ones.

Shape suffixes: B pictures in a batch, C channels, H height, W width.
"""

import glob
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from densenet_sweep.data import picture
from densenet_sweep.data.image_folder import pictures_in
from densenet_sweep.data.picture import Reading
from densenet_sweep.file_names import readable


@dataclass(frozen=True, eq=False)
class Batch:
    """Some decoded pictures.

    Attributes:
        places: of the good ones in the sequence of all pictures.
        levels_BCHW: of the same, uint8.
        contents_B: numbers of 64 bits by which equal files are found, of the same.
        bad: a sentence on each of the others, with its path.
    """

    places: list[int]
    levels_BCHW: np.ndarray
    contents_B: np.ndarray
    bad: list[str]


def named(words: Sequence[str]) -> list[str]:
    """Return the paths of the pictures that `words` name: files, folders with all below them, and patterns such as `*.png`.

    A folder is read as in training: hidden files and what has no suffix of a picture are left out. In a pattern `**` stands for
    any folders. Each picture comes once, where it is named first.

    Raises:
        FileNotFoundError: a word names nothing, or a folder or a pattern has no pictures.
        OSError: a folder cannot be read.
        ValueError: a link leads to a folder that it lies in.
    """
    found: dict[str, None] = {}
    for word in words:
        path = Path(word).expanduser()
        if path.is_dir():
            paths = pictures_in(path, Counter())
            if not paths:
                raise FileNotFoundError(f"{word}: no pictures in this folder")
        elif path.exists():
            paths = [word if path == Path(word) else str(path)]
        elif glob.has_magic(word):
            paths = _matching(str(path))
            if not paths:
                raise FileNotFoundError(f"{word}: no picture matches this pattern")
        else:
            raise FileNotFoundError(f"{word}: no such file")
        found |= dict.fromkeys(paths)
    return list(found)


def _matching(pattern: str) -> list[str]:
    """Return the pictures that match, and those in folders that match; sorted."""
    paths: list[str] = []
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        path = Path(match)
        if path.is_dir():
            # `**` matches each folder, and would name what is below it again and again.
            paths += [] if "**" in pattern else pictures_in(path, Counter())
        elif path.suffix.lower() in picture.suffixes():
            paths.append(match)
    return paths


def batches(paths: Sequence[str], how: Reading, size: int, found_range: tuple[float, float] | None = None) -> Iterator[Batch]:
    """Yield the pictures in order, decoded in threads, `size` files at a time; a bad one ends nothing.

    For `found_range` see `picture.levels_of`.
    """
    with ThreadPoolExecutor() as threads:  # Pillow decodes outside Python's lock
        for start in range(0, len(paths), size):
            with picture.quietly():
                read = list(threads.map(lambda path: _read(path, how, found_range), paths[start : start + size]))
            good = [(start + place, *it) for place, it in enumerate(read) if not isinstance(it, str)]
            levels = np.stack([it for _, it, _ in good]) if good else np.empty((0, *how.shape_CHW), np.uint8)
            contents = np.array([it for _, _, it in good], np.uint64)
            yield Batch([place for place, _, _ in good], levels, contents, [it for it in read if isinstance(it, str)])


def _read(path: str, how: Reading, found_range: tuple[float, float] | None) -> tuple[np.ndarray, int] | str:
    """Return levels_CHW and the hash of the file's content, or why there are none."""
    try:
        content = picture.content_of(path)
        return picture.levels_of(path, content, how, found_range), picture.content_hash(content)
    except OSError as error:
        return f"{readable(path)}: cannot be read ({error.strerror or error})"
    except ValueError as error:
        return readable(str(error))
