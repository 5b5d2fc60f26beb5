"""The decoding of many pictures in parts, each a file until the whole is kept.

After an interruption or a bad picture only the unfinished part is decoded again.
Shape suffixes: N pictures of a set, B pictures of a part, D pictures of a part that hold values, C channels, H height, W width.
"""

import hashlib
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from densenet_sweep.data import picture
from densenet_sweep.data.cache import parts_folder
from densenet_sweep.data.images import BLOCK_BYTES
from densenet_sweep.data.picture import Reading, Values

# Another number decodes every set anew: pictures are read in another way than by the version before.
VERSION = 5


@dataclass(frozen=True, eq=False)
class _Part:
    """Some pictures: uint8 levels; and of those that hold values float32 values, extremes and whether high is dark."""

    levels_BCHW: np.ndarray
    contents_B: np.ndarray
    values_DHW: np.ndarray
    rows_D: np.ndarray
    extremes_D2: np.ndarray
    inverted_D: np.ndarray
    bad: np.ndarray  # of (row as text, reason)
    unclear: np.ndarray  # rows of pictures that need a range
    more: np.ndarray  # rows of files with further pages or frames


class Parts:
    """The decoded parts of a set: in files where they can be written, else in memory."""

    def __init__(self, root: Path, paths: Sequence[str], how: Reading, identities: Sequence[tuple[object, ...]]) -> None:
        """Decode what has not been decoded by a process that was interrupted.

        Args:
            root: of the data set.
            paths: of the pictures.
            how: they are read.
            identities: of the pictures, which differ whenever their content may.
        """
        self._how = how
        self._folder = parts_folder(root)
        self._files: list[Path] = []
        self._in_memory: dict[int, _Part] = {}
        self._size = max(1, BLOCK_BYTES // int(np.prod(how.shape_CHW)))
        self._num_pictures = len(paths)
        self.bad: dict[int, str] = {}
        self.unclear: list[int] = []
        self.more: list[int] = []
        self.with_values: list[int] = []
        self.contents_N = np.zeros(self._num_pictures, np.uint64)
        self._extremes = np.full((self._num_pictures, 2), np.nan)
        with picture.quietly(), ThreadPoolExecutor() as threads:  # Pillow decodes outside Python's lock
            for index, start in enumerate(self._starts()):
                rows = slice(start, start + self._size)
                name = hashlib.sha256(repr((VERSION, astuple(how), identities[rows])).encode()).hexdigest()[:24]
                path = None if self._folder is None else self._folder / f"{name}.npz"
                part = _kept(path)
                if part is None:
                    part = _decoded(threads, paths[rows], how)
                    if path is None or not _keep(path, part):
                        self._in_memory[index] = part
                if path is not None:
                    self._files.append(path)
                self._take_note(start, part)

    def value_range(self, rows: np.ndarray) -> tuple[float, float]:
        """Return the lowest and highest value of those of the pictures in `rows` that hold values."""
        extremes = self._extremes[rows]
        if np.isnan(extremes).all():
            return 0.0, 255.0
        return float(np.nanmin(extremes[:, 0])), float(np.nanmax(extremes[:, 1]))

    def blocks(self, value_range: tuple[float, float]) -> Iterator[np.ndarray]:
        """Yield the levels of all good pictures in order."""
        for index, start in enumerate(self._starts()):
            part = self._in_memory.get(index) or _kept(self._files[index])
            assert part is not None, "parts are removed when the whole is kept"
            levels_BCHW = part.levels_BCHW
            for place, row in enumerate(part.rows_D):
                values = Values(part.values_DHW[place], 0, 0, bool(part.inverted_D[place]))
                levels_BCHW[row] = values.levels_CHW(value_range, self._how)
            bad = [int(row) for row, _ in part.bad]
            good = np.setdiff1d(np.arange(min(self._size, self._num_pictures - start)), bad)
            yield levels_BCHW[good] if bad else levels_BCHW

    def remove(self) -> None:
        """Delete the files."""
        for path in self._files:
            path.unlink(missing_ok=True)
        if self._folder is not None:
            with suppress(OSError):  # another set is being decoded
                self._folder.rmdir()

    def _starts(self) -> range:
        return range(0, self._num_pictures, self._size)

    def _take_note(self, start: int, part: _Part) -> None:
        self.bad |= {start + int(row): str(reason) for row, reason in part.bad}
        self.unclear += [start + int(row) for row in part.unclear]
        self.more += [start + int(row) for row in part.more]
        self.with_values += (start + part.rows_D).tolist()
        self.contents_N[start : start + len(part.contents_B)] = part.contents_B
        self._extremes[start + part.rows_D] = part.extremes_D2


def _decoded(threads: ThreadPoolExecutor, paths: Sequence[str], how: Reading) -> _Part:
    found = list(threads.map(lambda path: _read(path, how), paths))
    levels_BCHW = np.zeros((len(paths), *how.shape_CHW), np.uint8)
    bad, unclear, with_values = [], [], []
    for row, (levels, *_) in enumerate(found):
        if isinstance(levels, Values):
            with_values.append((row, levels))
        elif isinstance(levels, str):
            bad.append((str(row), levels))
        elif levels is None:
            unclear.append(row)
        else:
            levels_BCHW[row] = levels
    shape_DHW = (len(with_values), how.height, how.width)
    return _Part(
        levels_BCHW,
        np.array([content for _, content, _ in found], np.uint64),
        np.array([values.values_HW for _, values in with_values], np.float32).reshape(shape_DHW),
        np.array([row for row, _ in with_values], np.int64),
        np.array([(values.lowest, values.highest) for _, values in with_values], np.float64).reshape(-1, 2),
        np.array([values.inverted for _, values in with_values], bool),
        np.array(bad, np.str_).reshape(-1, 2),
        np.array(unclear, np.int64),
        np.array([row for row, (*_, has_more) in enumerate(found) if has_more], np.int64),
    )


def _read(path: str, how: Reading) -> tuple[np.ndarray | Values | str | None, int, bool]:
    """Return levels, values, why there are none, or None for a picture that needs a range.

    With them come the content's hash, and whether the file has further pages or frames.
    """
    try:
        content = picture.content_of(path)
    except OSError as error:
        return error.strerror or str(error), 0, False
    hashed = picture.content_hash(content)
    try:
        return picture.decode(path, content, how), hashed, picture.has_more(path, content)
    except picture.RangeNeededError:
        return None, hashed, False
    except ValueError as error:
        return str(error), hashed, False


def _kept(path: Path | None) -> _Part | None:
    """Return the part in this file; None where there is none, or a damaged one."""
    if path is None or not path.exists():
        return None
    try:
        with np.load(path) as arrays:  # verifies checksums
            return _Part(**{name: arrays[name] for name in _Part.__dataclass_fields__})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _keep(path: Path, part: _Part) -> bool:
    """Write the part whole or not at all, and return whether that succeeded."""
    unfinished = path.with_suffix(".partial")
    try:
        if shutil.disk_usage(path.parent).free < 2 * part.levels_BCHW.nbytes + part.values_DHW.nbytes:
            return False
        with unfinished.open("wb") as file:
            np.savez(file, **{name: getattr(part, name) for name in _Part.__dataclass_fields__})
        unfinished.replace(path)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return True
