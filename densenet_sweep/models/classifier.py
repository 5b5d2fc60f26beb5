"""A trained network for use elsewhere: unprocessed images in, a probability for each class out.

Knows neither where weights are kept nor where models are registered.
Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from densenet_sweep.data.picture import Reading
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.data.reading import as_range, as_reading
from densenet_sweep.picture_size import MAX_PIXELS, sides


@dataclass(frozen=True)
class Signature:
    """Input and output of a classifier, and how a picture becomes its input.

    Attributes:
        num_channels: 1 (grey) or 3 (colour).
        image_size: of the resized images in pixels: one side of squares, or (height, width).
        class_names: by the outputs.
        resize: of pictures before; see `Reading`.
        background: of pictures; see `Reading`.
        value_range: the values that become 0 and 255, in pictures that hold values; None where training had none.
        is_multi_label: an image has any number of the classes, and each probability is that of one class being there.
        thresholds: by the outputs, the probability from which on a class is predicted, chosen on validation images.
        thresholds_of: whose validation images; without thresholds, why there are none. Empty where that is not known.
        group_column: of the table that it was trained with.
        range_is_found: `value_range` was not given and is that of the training pictures, so it replaces no scanner's window.
        max_pixels: of a picture as it is in its file, at most; None: no limit.
    """

    num_channels: int
    image_size: int | tuple[int, int]
    class_names: tuple[str, ...]
    resize: str = "crop"
    background: str | tuple[int, ...] = "white"
    value_range: tuple[float, float] | None = None
    is_multi_label: bool = False
    thresholds: tuple[float, ...] | None = None
    thresholds_of: str = ""
    group_column: str | None = None
    range_is_found: bool = False
    max_pixels: int | None = MAX_PIXELS

    def __post_init__(self) -> None:
        """Take lists, as files have them, for tuples.

        Raises:
            ValueError, TypeError: values that cannot be used.
        """
        for name in ("image_size", "background", "value_range", "thresholds"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, list) else value)
        as_range(self.value_range)
        if not all(isinstance(side, int) for side in sides(self.image_size)):
            raise ValueError(f"image_size={self.image_size}: whole numbers are accepted")

    @property
    def reading(self) -> Reading:
        """How pictures are read."""
        return as_reading(
            image_size=self.image_size,
            num_channels=self.num_channels,
            background=self.background,
            resize=self.resize,
            max_pixels=self.max_pixels,
            value_range=None if self.range_is_found else self.value_range,
        )

    @property
    def found_range(self) -> tuple[float, float] | None:
        """The range of values of the training pictures, where none was given."""
        return self.value_range if self.range_is_found else None

    def predicted(self, probabilities: Sequence[float]) -> list[str] | None:
        """Return the classes of an image that are at or above their thresholds; None where there are no thresholds.

        Of several labels an image, a model without thresholds takes 0.5. Of two classes one is returned: the second from its
        threshold on, else the first.
        """
        if self.is_multi_label:
            thresholds = self.thresholds or (0.5,) * len(self.class_names)
            triples = zip(self.class_names, probabilities, thresholds, strict=True)
            return [name for name, probability, threshold in triples if probability >= threshold]
        if self.thresholds is None or len(self.class_names) != 2:
            return None
        return [self.class_names[int(probabilities[1] >= self.thresholds[1])]]

    def as_texts(self) -> dict[str, str]:
        """Return the signature as the texts that files and registries store beside the network."""
        return {
            "num_channels": str(self.num_channels),
            "image_size": json.dumps(self.image_size),
            "class_names": json.dumps(self.class_names),
            "resize": self.resize,
            "background": json.dumps(self.background),
            "value_range": json.dumps(self.value_range),
            "multi_label": json.dumps(self.is_multi_label),
            "thresholds": json.dumps(self.thresholds),
            "thresholds_of": self.thresholds_of,
            "group_column": json.dumps(self.group_column),
            "range_is_found": json.dumps(self.range_is_found),
            "max_pixels": json.dumps(self.max_pixels),
        }

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> "Signature":
        """Return the signature from the texts of `as_texts`; other texts are ignored, and an older version wrote fewer.

        Raises:
            ValueError: a text is missing or malformed.
        """
        try:
            names = tuple(map(str, json.loads(texts["class_names"])))
            return cls(
                int(texts["num_channels"]),
                json.loads(texts["image_size"]),
                names,
                texts.get("resize") or "crop",
                json.loads(texts.get("background") or '"white"'),
                json.loads(texts.get("value_range") or "null"),
                json.loads(texts.get("multi_label") or "false"),
                json.loads(texts.get("thresholds") or "null"),
                texts.get("thresholds_of") or "",
                json.loads(texts.get("group_column") or "null"),
                bool(json.loads(texts.get("range_is_found") or "false")),
                json.loads(texts.get("max_pixels") or str(MAX_PIXELS)),
            )
        except (KeyError, TypeError, ValueError):
            raise ValueError("says nothing of its classes and images; only what this program wrote does") from None


class Classifier(nn.Module):
    """A network in evaluation mode and fp32 with its preprocessing, for any number of images of any height and width.

    The images are resized as in training, ignoring their aspect ratio: crop or pad them first. Where that is known, `contents`
    are the hashes of the files that it was trained and validated on, and `root` is `data.root` of its training.
    """

    contents: np.ndarray | None = None
    root: str = ""

    mean_C: Tensor
    std_C: Tensor

    def __init__(self, network: nn.Module, *, signature: Signature, mean_C: Tensor, std_C: Tensor) -> None:
        super().__init__()
        self.network = network
        self.signature = signature
        self.register_buffer("mean_C", mean_C)
        self.register_buffer("std_C", std_C)
        self.float().eval()

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return probabilities_BK of float32 for images_BCHW of uint8."""
        preprocessing = Preprocessing(self.signature.image_size, self.mean_C, self.std_C)
        logits_BK: Tensor = self.network(preprocessing.normalize(preprocessing.resize_any(images_BCHW)))
        return torch.sigmoid(logits_BK) if self.signature.is_multi_label else torch.softmax(logits_BK, dim=1)

    def export(self) -> torch.export.ExportedProgram:
        """Return the classifier as a graph that needs none of this package's code; batch, height and width are dynamic."""
        auto = torch.export.Dim.AUTO
        # A size of 1 in the example would be taken for a constant.
        height, width = sides(self.signature.image_size)
        shape = (2, self.signature.num_channels, height + 3, width + 5)
        example_BCHW = torch.zeros(shape, dtype=torch.uint8, device=self.mean_C.device)
        return torch.export.export(self, (example_BCHW,), dynamic_shapes=({0: auto, 2: auto, 3: auto},))
