"""`load_model`: a trained network as a function of arrays.

Shape suffixes: N images, C channels, H height, W width, K classes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densenet_sweep.config import errors
from densenet_sweep.counts import counted

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from densenet_sweep.models.classifier import Signature

_BATCH_SIZE = 64


class Model:
    """A trained network with its preprocessing.

    Attributes:
        class_names: in the order of the probabilities.
        is_multi_label: an image has any number of the classes.
        thresholds: the probability from which on each class is predicted, chosen on validation images; None if unknown.
        thresholds_of: whose validation images; without thresholds, why there are none.
        num_channels: of its images: 1 for grey, 3 for colour.
        origin: where it comes from, in words.
    """

    def __init__(self, signature: "Signature", predictor: "Callable[[Tensor], Tensor]", origin: str) -> None:
        self.class_names = signature.class_names
        self.is_multi_label = signature.is_multi_label
        self.thresholds = signature.thresholds
        self.thresholds_of = signature.thresholds_of
        self.num_channels = signature.num_channels
        self.origin = origin
        self._predictor = predictor

    def __repr__(self) -> str:
        return f"<Model {self.origin}: {counted(len(self.class_names), 'class')}, {counted(self.num_channels, 'channel')}>"

    def __call__(self, images: Any) -> "np.ndarray[Any, Any]":
        """Return the probabilities_NK of images of any number, height and width.

        Args:
            images: uint8 array of shape (N, H, W) for grey images, (N, C, H, W) or (N, H, W, C).

        Raises:
            ValueError: another type or shape.
        """
        import numpy as np
        import torch

        images_NCHW = torch.from_numpy(np.ascontiguousarray(self._channels_first(np.asarray(images))))
        parts = [self._predictor(part_NCHW) for part_NCHW in torch.split(images_NCHW, _BATCH_SIZE)]
        probabilities_NK: np.ndarray[Any, Any] = torch.cat(parts).numpy()
        return probabilities_NK

    def _channels_first(self, images: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        accepted = f"uint8 images of shape (N, {self.num_channels}, H, W) or (N, H, W, {self.num_channels}) are accepted"
        if self.num_channels == 1:
            accepted = accepted.replace("uint8 images of shape ", "uint8 images of shape (N, H, W), ")
        if images.dtype.name != "uint8":
            raise ValueError(f"images of {images.dtype.name}: {accepted}")
        if len(images) == 0:
            raise ValueError(f"no images: {accepted}")
        if images.ndim == 3 and self.num_channels == 1:
            return images[:, None]
        if images.ndim == 4:
            is_first, is_last = (images.shape[axis] == self.num_channels for axis in (1, 3))
            if is_first:  # a width of C pixels is rarer than channels in front
                return images
            if is_last:
                return images.transpose(0, 3, 1, 2)
        raise ValueError(f"images of shape {images.shape}: {accepted}")


def load_model(name: str, overrides: Sequence[str] = ()) -> Model:
    """Return a trained model by name.

    Example:
        >>> model = densenet_sweep.load_model("champion")
        >>> probabilities = model(images)  # uint8 (N, H, W), (N, C, H, W) or (N, H, W, C) to (N, K)

    Args:
        name: as `densenet-sweep predict` takes it: `champion`, `models:/...`, a study, a run's id, or an exported file.
        overrides: `tracking.uri=...` names another MLflow store, `trusted_targets=[...]` admits a network of your own.

    Raises:
        ValueError: no such model, in one line.
        ConnectionError: MLflow's store cannot be used.
    """
    from densenet_sweep.models import exported, named
    from densenet_sweep.tracking.access import mlflow_config

    try:
        if exported.is_exported(name):
            signature, predictor = exported.read(Path(name))
            return Model(signature, predictor, name)
        tracking = mlflow_config(overrides, "load_model reads the model from MLflow, and")
        found = named.find(name, tracking.uri, overrides)
    except (ConnectionError, FileNotFoundError):
        raise
    except Exception as error:
        raise ValueError(errors.one_line(error)) from error
    return Model(found.signature, found, found.origin)


def of_run(artifacts: Path) -> Model:
    """Return the model whose weights a run left in the folder `artifacts`."""
    import torch

    from densenet_sweep.models import trained

    classifier = trained.classifier(artifacts)

    def predict(images_NCHW: "Tensor") -> "Tensor":
        with torch.inference_mode():
            probabilities_NK: Tensor = classifier(images_NCHW)
        return probabilities_NK

    return Model(classifier.signature, predict, str(artifacts))
