"""The weights that a training starts from: of a file, of torchvision, or of a model of one's own.

Owns how they are read and what is reported of them; their names are `architectures.weights`' business.
"""

import functools
import hashlib
import logging
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra_async_sweeper.readable import first_line
from torch import Tensor, nn

from densenet_sweep.architectures.published import IMAGENET_MEAN, IMAGENET_STD
from densenet_sweep.architectures.weights import Matched, matched
from densenet_sweep.checksum import check_archive
from densenet_sweep.config.data_sections import DataConfig
from densenet_sweep.config.finetuning import TORCHVISION, weights_file
from densenet_sweep.counts import counted
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import Preprocessing, channel_statistics

log = logging.getLogger("densenet_sweep")

# Where training programs put the weights in their checkpoints, and we in ours.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net")

# How many names of tensors a tag and the log line give.
_NUM_NAMED = 6

# Returns the tensors of the model of one's own that has this name, in this MLflow store; ours name theirs in `_STATISTICS`.
FindModel = Callable[[str, str], Mapping[str, Tensor]]
_STATISTICS = ("mean_C", "std_C")


@dataclass(frozen=True, eq=False)
class StartingWeights:
    """Tensors by the names of whoever wrote them, and the mean and deviation of the pictures that they were trained with.

    Attributes:
        name: `architecture.weights`.
        origin: in words.
        tensors: on the CPU.
        mean: of each channel, scaled to [0, 1].
        std: of each channel.
    """

    name: str
    origin: str
    tensors: Mapping[str, Tensor]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @functools.cached_property
    def digest(self) -> str:
        """A hash (16 hexadecimal digits) of names and tensors, and of the statistics."""
        content = hashlib.blake2b(repr((self.mean, self.std)).encode(), digest_size=8)
        for name, tensor in sorted(self.tensors.items()):
            content.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
            content.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        return content.hexdigest()

    def matched(self, network: nn.Module) -> Matched:
        """Return the tensors by the names of `network`, which may be on `meta`.

        Raises:
            ValueError: they are another network's.
        """
        try:
            return matched(network, self.tensors)
        except ValueError as error:
            raise ValueError(f"architecture.weights={self.name}: {error}") from None

    def load(self, network: nn.Module) -> "Loaded":
        """Set the weights of `network` and log once what was loaded, dropped and drawn.

        Raises:
            ValueError: as `matched`.
        """
        loaded = Loaded(self, self.matched(network))
        network.load_state_dict(dict(loaded.matched.tensors), strict=False)
        log.info("%s", loaded.line())
        return loaded

    def statistics(self, num_channels: int) -> tuple[Tensor, Tensor]:
        """Return mean_C and std_C of pictures with `num_channels` channels; grey ones take the means over the colours."""
        values = torch.tensor([self.mean, self.std])
        if num_channels == 1:
            values = values.mean(dim=1, keepdim=True)
        return values[0], values[1]


@dataclass(frozen=True, eq=False)
class Loaded:
    """What a network took of its starting weights."""

    weights: StartingWeights
    matched: Matched

    def parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """Return the parameters of `network` that came with the weights."""
        return [parameter for name, parameter in network.named_parameters() if name in self.matched.tensors]

    def tags(self) -> dict[str, str]:
        """Return what a run's record says of its weights."""
        return {
            "weights.origin": self.weights.origin,
            "weights.digest": self.weights.digest,
            "weights.loaded": counted(len(self.matched.tensors), "tensor"),
            **{f"weights.{what}": _names(names) for what, names in self._rest().items() if names},
        }

    def line(self) -> str:
        """Return the same as one line."""
        rest = [f"{what} {_names(names)}" for what, names in self._rest().items() if names] or ["nothing dropped or drawn"]
        taken = counted(len(self.matched.tensors), "tensor")
        return f"architecture.weights={self.weights.name} ({self.weights.origin}): loaded {taken}; {'; '.join(rest)}"

    def _rest(self) -> dict[str, tuple[str, ...]]:
        return {"drawn": self.matched.drawn, "dropped": self.matched.dropped, "summed": self.matched.summed}


def read(name: str, *, published: str | None, uri: str, find_model: FindModel | None) -> StartingWeights:
    """Return the weights that `architecture.weights` names.

    Args:
        name: as configured, and checked by `config.finetuning`.
        published: the network's name at torchvision.
        uri: of the MLflow store.
        find_model: finds models of one's own.

    Raises:
        FileNotFoundError: no such file, or torchvision's cannot be downloaded; the message says how to get it.
        ValueError: it cannot be read, or there is no such model.
        ConnectionError: the store cannot be used.
    """
    if name == TORCHVISION:
        assert published is not None, "checked with the config"
        return _of_torchvision(f"{published}_Weights")
    path = weights_file(name)
    if path is not None:
        return _of_file(name, path)
    if find_model is None:
        raise ValueError(f"architecture.weights={name}: only the command finds models; a file is accepted here")
    try:
        found = dict(find_model(name, uri))
    except ValueError as error:
        raise ValueError(f"architecture.weights={name}: {str(error).removeprefix(f'{name}: ')}") from None
    mean_C, std_C = (found.pop(key) for key in _STATISTICS)
    return StartingWeights(name, f"model {name}", found, tuple(mean_C.tolist()), tuple(std_C.tolist()))


def preprocessing(data: DataConfig, train_images: Images, weights: StartingWeights | None) -> Preprocessing:
    """Return the preprocessing with the mean and deviation that came with the weights, or else with those of the images."""
    if weights is None or not data.normalize:
        mean_C, std_C = channel_statistics(train_images, normalize=data.normalize)
    else:
        mean_C, std_C = (values_C.to(train_images.labels_N.device) for values_C in weights.statistics(data.num_channels))
    return Preprocessing(data.image_size, mean_C, std_C)


def _of_torchvision(enumeration: str) -> StartingWeights:
    """Return torchvision's current weights, downloaded once into torch's own folder, their hash checked each time."""
    from torchvision.models import get_weight

    chosen = get_weight(f"{enumeration}.DEFAULT")
    file = chosen.url.rpartition("/")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    expected = re.search(r"-([0-9a-f]{8,})\.", file)
    if path.is_file() and expected is not None:  # torch checks only what it has just downloaded
        with path.open("rb") as content:
            if not hashlib.file_digest(content, "sha256").hexdigest().startswith(expected[1]):
                raise ValueError(f"architecture.weights={TORCHVISION}: {path} is damaged: its SHA-256 is another; delete it")
    try:
        tensors = chosen.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise FileNotFoundError(
            f"architecture.weights={TORCHVISION}: {file} could not be downloaded ({first_line(error)}): run once with "
            f"a network, put the file into {path.parent} (TORCH_HOME moves that), or give its path as architecture.weights"
        ) from None
    return StartingWeights(TORCHVISION, f"{enumeration}.{chosen.name}", tensors)


def _of_file(name: str, path: Path) -> StartingWeights:
    """Return the weights in a file; a file of ours brings its own statistics."""
    if not path.is_file():
        raise FileNotFoundError(f"architecture.weights={name}: no such file")
    try:
        content = _content(path)
    except Exception as error:  # a damaged or foreign file may raise anything
        raise ValueError(f"architecture.weights={name}: cannot be read as weights ({_reason(error)})") from None
    statistics = {key: tuple(content[key]) for key in ("mean", "std") if _is_numbers(content.get(key))}
    for key in _WRAPPERS:
        inner = content.get(key)
        content = inner if isinstance(inner, Mapping) else content
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"architecture.weights={name}: holds no tensors by name; save model.state_dict()")
    return StartingWeights(name, f"file {path.name}", tensors, **(statistics if len(statistics) == 2 else {}))


def _content(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        tensors: dict[str, Tensor] = load_file(path)
        return tensors
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            check_archive(file)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise TypeError(f"it holds a {type(content).__name__}; save model.state_dict()")
    return content


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(number, float) for number in value)


def _reason(error: Exception) -> str:
    """Return why; of torch's page on unsafe files only what matters."""
    if isinstance(error, pickle.UnpicklingError) and "weights_only" in str(error):
        named = re.search(r"GLOBAL (\S+)", str(error))
        what = f"it holds more than tensors, {named[1]}" if named else "it is none of torch.save, or holds more than tensors"
        return f"{what}: save model.state_dict() alone"
    return first_line(error)


def _names(names: tuple[str, ...]) -> str:
    more = len(names) - _NUM_NAMED
    return ", ".join(names[:_NUM_NAMED]) + (f" and {counted(more, 'other')}" if more > 0 else "")
