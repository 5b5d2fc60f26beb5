"""The schemas of the config section `data`; see `schema`."""

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from densenet_sweep.picture_size import MAX_PIXELS

# Of a key that came later: an option file of a user's own may be older.
LATER = {"later": True}


def expanded(path: str) -> str:
    """Return `path` with `~` and environment variables replaced, which a shell does not do after `key=`."""
    path = str(Path(path).expanduser()) if path.startswith("~") else path
    return os.path.expandvars(path)


@dataclass
class AugmentConfig:
    """Random changes of a training image; see `densenet_sweep.data.augmentation.Augmentation`.

    An option file of a user's own may be older than a key, so all but the first three have defaults.
    """

    crop_padding: int = MISSING
    horizontal_flip: bool | str = MISSING
    cutout_size: int = MISSING
    vertical_flip: bool = False
    crop_area: float = 1.0
    crop_aspect: float = 1.3333
    rotation: float = 0.0
    translation: float = 0.0
    scaling: float = 0.0
    shear: float = 0.0
    trivial_augment: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    erasing: float = 0.0
    erasing_area: float = 0.3333
    mixup: float = 0.0
    cutmix: float = 0.0


@dataclass
class DataConfig:
    """One data set and how it is split and presented; `image_size` is a number of pixels, or [height, width].

    `sampling` is `natural`, or `balanced` for training epochs that show each class equally often. With `folds`, a run trains
    once for each of so many folds of the training images, and validates on the fold.
    `on_device` says whether the images are kept in the memory of the device: true, false, or `auto` where they fit.
    """

    _target_: str = MISSING
    root: str = MISSING
    download: bool = MISSING
    num_channels: int = MISSING
    num_classes: int | None = None
    image_size: Any = MISSING
    num_train: int | None = None
    valid_fraction: float = MISSING
    split_seed: int = MISSING
    normalize: bool = MISSING
    sampling: str = field(default="natural", metadata=LATER)
    on_device: Any = field(default="auto", metadata=LATER)
    folds: int | None = field(default=None, metadata=LATER)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def source_arguments(self) -> dict[str, Any]:
        """Return the arguments of the source function `_target_`; a user's own also takes the other keys of its section."""
        return {"root": expanded(self.root), "download": self.download, **self._own_keys()}

    def reads_as(self) -> dict[str, Any]:
        """Return those of the arguments that decide what the images are; keys of a later version only where they do."""
        of_the_machine = ("root", "download", "table")
        later = {key: getattr(type(self), key, MISSING) for key in self.source_arguments()}
        return {
            key: value for key, value in self.source_arguments().items() if key not in of_the_machine and value != later[key]
        }

    def _own_keys(self) -> dict[str, Any]:
        return {it.name: getattr(self, it.name) for it in fields(self) if it.name not in DataConfig.__dataclass_fields__}


@dataclass
class PicturesConfig(DataConfig):
    """A user's own pictures, decoded once into a file beside them; see `densenet_sweep.data.picture.Reading`."""

    test_fraction: float = MISSING
    background: Any = "white"
    value_range: list[float] | None = None
    resize: str = "crop"
    max_pixels: int | None = MAX_PIXELS
    on_bad_picture: str = "fail"

    def source_arguments(self) -> dict[str, Any]:
        """Return what the function takes."""
        read_as = {"image_size": self.image_size, "num_channels": self.num_channels, "split_seed": self.split_seed}
        return {"root": expanded(self.root), **read_as, **self._own_keys()}


@dataclass
class ImageFolderConfig(PicturesConfig):
    """One folder a class."""


@dataclass
class ImageTableConfig(ImageFolderConfig):
    """A table with a picture a row, the names of its columns, and what separates the labels of a picture.

    `multi_label` says whether pictures have any number of labels; None: if the separator is in any cell.
    """

    table: str = MISSING
    path_column: str = MISSING
    label_column: str = MISSING
    split_column: str | None = MISSING
    group_column: str | None = MISSING
    weight_column: str | None = None
    label_separator: str | None = "|"
    multi_label: bool | None = None
    leave_out: list[str] | None = None

    def source_arguments(self) -> dict[str, Any]:
        """Return what `image_table` takes."""
        return {**super().source_arguments(), "table": expanded(self.table)}


@dataclass
class NpzConfig(DataConfig):
    """Arrays in a file of NumPy's, as MedMNIST has them."""

    value_range: list[float] | None = None

    def source_arguments(self) -> dict[str, Any]:
        """Return what `npz` takes."""
        return {"root": expanded(self.root), "num_channels": self.num_channels, "value_range": self.value_range}
