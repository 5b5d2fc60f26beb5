"""A trained network for use elsewhere: unprocessed images in, a probability for each class out.

Knows neither where weights are kept nor where models are registered.
Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from densenet_sweep.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class Signature:
    """Input and output of a classifier: grey (1) or colour (3) images, the side of their resized squares in px, the classes."""

    num_channels: int
    image_size: int
    class_names: tuple[str, ...]

    def as_texts(self) -> dict[str, str]:
        """Return the signature as the texts that files and registries store beside the network."""
        return {
            "num_channels": str(self.num_channels),
            "image_size": str(self.image_size),
            "class_names": json.dumps(self.class_names),
        }

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> "Signature":
        """Return the signature from the texts of `as_texts`; other texts are ignored.

        Raises:
            ValueError: a text is missing or malformed.
        """
        try:
            names = tuple(map(str, json.loads(texts["class_names"])))
            return cls(int(texts["num_channels"]), int(texts["image_size"]), names)
        except (KeyError, TypeError, ValueError):
            raise ValueError("says nothing of its classes and images; only what this program wrote does") from None


class Classifier(nn.Module):
    """A network in evaluation mode and fp32 with its preprocessing, for any number of images of any height and width.

    The images are resized as in training, ignoring their aspect ratio: crop them to squares first.
    """

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
        return torch.softmax(logits_BK, dim=1)

    def export(self) -> torch.export.ExportedProgram:
        """Return the classifier as a graph that needs none of this package's code; batch, height and width are dynamic."""
        auto = torch.export.Dim.AUTO
        # A size of 1 in the example would be taken for a constant.
        shape = (2, self.signature.num_channels, self.signature.image_size + 3, self.signature.image_size + 5)
        example_BCHW = torch.zeros(shape, dtype=torch.uint8, device=self.mean_C.device)
        return torch.export.export(self, (example_BCHW,), dynamic_shapes=({0: auto, 2: auto, 3: auto},))
