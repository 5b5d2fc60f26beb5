"""A network with everything that trains it, put together from the config by `train`."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from densenet_sweep.data.batches import EvalBatches, TrainBatches, resized
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.picture_size import scaled
from densenet_sweep.run import progress
from densenet_sweep.training.ema import WeightAverage
from densenet_sweep.training.evaluation import Evaluation, evaluate
from densenet_sweep.training.finetuning import Frozen
from densenet_sweep.training.fit import Epoch, fit
from densenet_sweep.training.losses import Loss
from densenet_sweep.training.mirrored import Mirrored
from densenet_sweep.training.schedules import Schedule

# Evaluation keeps no activations, so it can take more images at a time than training.
_EVAL_BATCH_SIZE = 512


@dataclass(eq=False)
class NetworkTraining:
    """A network that can be trained for a rung and begin anew, be trained in full, and be evaluated.

    Attributes:
        network: on its device, with the weights that each training begins with.
        steps: what the steps of training call: the network, perhaps compiled.
        optimizer: of the network.
        train_batches: of the training images.
        preprocessing: of all images.
        loss: which is minimized.
        make_schedule: returns the schedule of a training.
        frozen: parts of the network that are not trained, or not yet.
        average: of the network's weights, if it is evaluated and kept in their place.
        test_time_flip: an image is evaluated with its mirror image.
        max_grad_norm: see `fit`.
        max_seconds: see `fit`.
        dtype: of the forward pass.
        seed: of dropout.
        rung_scale: share of the images' sides that those of a rung have.
        note: called after each batch with the epochs that are done, the present one in part.
    """

    network: nn.Module
    steps: nn.Module
    optimizer: torch.optim.Optimizer
    train_batches: TrainBatches
    preprocessing: Preprocessing
    loss: Loss
    make_schedule: Callable[[], Schedule]
    frozen: Frozen
    average: WeightAverage | None
    test_time_flip: bool
    max_grad_norm: float | None
    max_seconds: float | None
    dtype: torch.dtype
    seed: int
    rung_scale: float
    note: Callable[[float], None]

    def __post_init__(self) -> None:
        """Keep the untrained weights for the training after a rung."""
        self._untrained = copy.deepcopy((self.network.state_dict(), self.optimizer.state_dict()))

    @property
    def evaluated(self) -> nn.Module:
        """The network whose results count: of the average, if there is one."""
        return self._evaluated(self.network)

    def _evaluated(self, trained: nn.Module) -> nn.Module:
        network = trained if self.average is None else self.average.network
        return Mirrored(network) if self.test_time_flip else network

    def restore(self, last: Mapping[str, Any]) -> None:
        """Continue from the state of a checkpoint; see `RunFolder.keep`."""
        self.network.load_state_dict(last["network"])
        self.optimizer.load_state_dict(last["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(last["average"])

    def epochs(
        self,
        num_epochs: int,
        valid_images: Images | None,
        past: Sequence[Mapping[str, float]] = (),
        *,
        scale: float = 1.0,
    ) -> Iterator[Epoch]:
        """Train, and yield the results of each epoch.

        Args:
            num_epochs: of the whole training.
            valid_images: for the validation of each epoch, or None where nothing is held out.
            past: the metrics of the epochs that the network has been trained for.
            scale: share of the images' sides that they have in training and validation.

        Raises:
            DivergedError: the training loss became infinite or not a number.
        """
        batches = self.train_batches
        image_size = scaled(self.preprocessing.image_size, scale)

        def of_epoch(index: int) -> Iterator[tuple[Tensor, ...]]:
            shown = batches(index) if scale == 1 else resized(batches(index), image_size)
            return progress.of_epoch(shown, batches.num_batches, index, num_epochs, self.note)

        trained = self.steps if scale == 1 else self.network  # what is compiled is compiled for one size
        return fit(
            trained,
            self.optimizer,
            self.make_schedule(),
            train_batches=of_epoch,
            valid_batches=None if valid_images is None else self._eval_batches(valid_images, image_size),
            num_batches=batches.num_batches,
            epochs=num_epochs,
            first_epoch=len(past),
            max_seconds=self.max_seconds,
            seconds_before=sum(epoch["epoch_seconds"] for epoch in past),
            dtype=self.dtype,
            loss=self.loss,
            max_grad_norm=self.max_grad_norm,
            frozen=self.frozen,
            average=self.average,
            evaluated=self._evaluated(trained),
            seed=self.seed,
        )

    def rung(self, num_epochs: int, valid_images: Images | None) -> Iterator[Epoch]:
        """Train as `epochs` does, with images at `rung_scale`, then put the untrained weights back."""
        yield from self.epochs(num_epochs, valid_images, scale=self.rung_scale)
        network, optimizer = self._untrained
        self.network.load_state_dict(network)
        self.optimizer.load_state_dict(optimizer)
        if self.average is not None:
            self.average.restart()

    def evaluate(self, images: Images) -> Evaluation:
        """Return the results on `images`."""
        return evaluate(self.evaluated, self._eval_batches(images)(), dtype=self.dtype)

    def _eval_batches(self, images: Images, image_size: tuple[int, int] | None = None) -> EvalBatches:
        device = next(self.network.parameters()).device
        preprocessing = self.preprocessing if image_size is None else replace(self.preprocessing, image_size=image_size)
        return EvalBatches(images, preprocessing, batch_size=_EVAL_BATCH_SIZE, device=device)
