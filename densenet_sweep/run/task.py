"""Whether loss, objectives and network fit the labels of the images that were read."""

from collections.abc import Sequence

from torch import Tensor

from densenet_sweep.config.metrics import check_of_the_task
from densenet_sweep.config.schema import ConfigError, LossConfig
from densenet_sweep.config.targets import is_ours
from densenet_sweep.data.labels import is_multi_label


def check_task(
    loss: LossConfig, objectives: Sequence[str], labels_N: Tensor, *, num_classes: int, num_outputs: int | None
) -> None:
    """Refuse what does not go with one class an image, or with any number of labels; a user's own loss takes what it gets.

    Args:
        loss: its config.
        objectives: by their whole names.
        labels_N: of the training images, or labels_NK.
        num_classes: of the data set.
        num_outputs: of the network, as configured.

    Raises:
        ConfigError: in one line.
    """
    name = loss._target_.rpartition(".")[2]
    if not is_multi_label(labels_N):
        if loss.is_multi_label:
            raise ConfigError(
                f"loss={name}: is for images with any number of labels, and these have one class each; "
                "loss=cross_entropy is accepted, or data.multi_label=true for a table that lists labels"
            )
        return
    if is_ours("loss", loss._target_) and not loss.is_multi_label:
        raise ConfigError(
            f"loss={name}: the images have several labels each, which loss=binary_cross_entropy is for; "
            "data.label_separator=null, if what separates them is part of a class's name"
        )
    if num_outputs not in (None, num_classes):
        raise ConfigError(f"architecture.num_classes={num_outputs}: {num_classes} is accepted, the number of labels")
    try:
        check_of_the_task(objectives, is_multi_label=True)
    except ValueError as error:
        raise ConfigError(str(error)) from None
