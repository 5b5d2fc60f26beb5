"""Heat maps that explain a model's answers: of a classifier, and of the graph that an exported or registered model is.

Shape suffixes: B images in a batch, C channels, H height, W width.
"""

from typing import Any

import torch
from torch import Tensor, fx, nn

from densenet_sweep.architectures.grad_cam import grad_cam, has_places, heat
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.models.classifier import Classifier

# Operations by which a graph turns its logits into probabilities.
_OF_LOGITS = ("softmax", "sigmoid")


def heat_maps(model: nn.Module, images_BCHW: Tensor, classes_B: Tensor) -> Tensor:
    """Return heat_BHW of images_BCHW (uint8, of the model's size) for one class each; see `grad_cam`.

    Args:
        model: a `Classifier`, or the module of a program that `Classifier.export` gave.
        images_BCHW: on the CPU.
        classes_B: on the CPU.

    Raises:
        ValueError: a network without feature maps.
    """
    if isinstance(model, Classifier):
        preprocessing = Preprocessing(model.signature.image_size, model.mean_C, model.std_C)
        return grad_cam(model.network, preprocessing.normalize(preprocessing.resize(images_BCHW)), classes_B)
    assert isinstance(model, fx.GraphModule), "torch.export gives such"
    graph = _Recording(model)
    with torch.enable_grad():
        probabilities_BK = graph.run(images_BCHW)
        logits_BK = probabilities_BK if graph.logits_BK is None else graph.logits_BK
        return heat(graph.maps, logits_BK, classes_B, images_BCHW.shape[2:])


class _Recording(fx.Interpreter):
    """Runs a graph, and keeps its last feature maps and its logits."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.maps: list[Tensor] = []
        self.logits_BK: Tensor | None = None

    def run_node(self, n: fx.Node) -> Any:
        if any(name in str(n.target) for name in _OF_LOGITS):
            self.logits_BK = self.env[n.args[0]]  # type: ignore[index]
        value = super().run_node(n)
        if has_places(value):
            if not value.requires_grad:  # of weights that record nothing
                value.requires_grad_()
            self.maps[:] = [value]
        return value
