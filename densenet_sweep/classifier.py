"""A trained network as others use it: images as they are in, a probability for each class out.

Knows neither where weights are kept nor where models are registered.
Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from densenet_sweep.data.preprocessing import Preprocessing


class Classifier(nn.Module):
    """A network in evaluation mode with its preprocessing inside, in fp32; any number of images of any height and width.

    The images are resized as in training, without regard to their proportions: cut them to squares before.
    """

    mean_C: Tensor
    std_C: Tensor

    def __init__(
        self, network: nn.Module, *, image_size: int, mean_C: Tensor, std_C: Tensor, class_names: Sequence[str]
    ) -> None:
        super().__init__()
        self.network = network
        self.image_size = image_size
        self.class_names = tuple(class_names)
        self.register_buffer("mean_C", mean_C)
        self.register_buffer("std_C", std_C)
        self.float().eval()

    @property
    def num_channels(self) -> int:
        """How many channels the images have: 1 for grey, 3 for colour."""
        return len(self.mean_C)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return probabilities_BK of float32 for images_BCHW of uint8."""
        preprocessing = Preprocessing(self.image_size, self.mean_C, self.std_C)
        logits_BK: Tensor = self.network(preprocessing.normalize(preprocessing.resize_any(images_BCHW)))
        return torch.softmax(logits_BK, dim=1)

    def export(self) -> torch.export.ExportedProgram:
        """Return the classifier as a graph that needs none of this package's code; batch, height and width stay open."""
        auto = torch.export.Dim.AUTO
        # A size of 1 in the example would be taken for a constant; so would one that equals another.
        size = self.image_size
        example_BCHW = torch.zeros(2, self.num_channels, size + 3, size + 5, dtype=torch.uint8, device=self.mean_C.device)
        return torch.export.export(self, (example_BCHW,), dynamic_shapes=({0: auto, 2: auto, 3: auto},))
