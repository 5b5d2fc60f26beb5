"""Weights from elsewhere for a network of ours: other names, another head, colour kernels for grey pictures.

Owns the names that torchvision (today's and the published files'), timm and MONAI give to the same tensors; knows no files.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from densenet_sweep.architectures.parts import head
from densenet_sweep.counts import counted

# `denselayer1.norm.1.` is in the files that torchvision publishes, `denselayer1.layers.norm1.` in MONAI's.
_DENSE_LAYER = re.compile(r"(denselayer\d+)(?:\.layers)?\.(norm|conv)\.?([12])\.")
# CheXNet's head is `classifier.0`, MONAI's `class_layers.out`.
_HEAD = re.compile(r"(?:classifier|class_layers\.out|fc|head)(?:\.\d+)?\.(weight|bias)")
_LAYER_OF_BLOCK = re.compile(r"features\.denseblock(\d+)\.denselayer(\d+)\.norm1\.weight")

# How many mismatches a message names.
_NUM_NAMED = 3
_NUM_COLOURS = 3


@dataclass(frozen=True, eq=False)
class Matched:
    """Weights under a network's own names, and what became of all others.

    Attributes:
        tensors: what the network takes, each of its own shape.
        drawn: the network's tensors that keep their drawn values: the head's, if it has another size or is not there.
        dropped: what the network has no place for, by the names of where it comes from; the prefix of all is left out.
        summed: kernels over colours that were summed for grey pictures.
    """

    tensors: Mapping[str, Tensor]
    drawn: tuple[str, ...]
    dropped: tuple[str, ...]
    summed: tuple[str, ...]


def matched(network: nn.Module, tensors: Mapping[str, Tensor]) -> Matched:
    """Return `tensors` as `network` takes them; only its head may lack some, and only what is outside it may be left over.

    Args:
        network: on any device, also on `meta`.
        tensors: by the names of torchvision, timm, MONAI or ours, with or without a prefix that all share, such as `module.`.

    Raises:
        ValueError: they are another network's; the message names the first mismatches.
    """
    wanted = network.state_dict()
    own_head = head(network)
    originals = _renamed(tensors, first=next(iter(wanted)), own_head=own_head)
    found = {name: tensors[original] for name, original in originals.items()}
    taken: dict[str, Tensor] = {}
    summed: list[str] = []
    wrong: list[str] = []
    for name, own in wanted.items():
        given = found.get(name)
        if name.startswith(f"{own_head}."):
            continue
        if given is None:
            if not name.endswith(".num_batches_tracked"):  # the published files are older than this count, which nothing reads
                wrong.append(f"{name} is not among them")
        elif given.shape == own.shape:
            taken[name] = given
        elif _is_of_colours(given, own):
            taken[name] = given.float().sum(dim=1, keepdim=True)
            summed.append(name)
        else:
            wrong.append(f"{name} is {_size(given)} there and {_size(own)} in the network")
    trunk = {name.partition(".")[0] for name in wanted} - {own_head.partition(".")[0]}
    left_over = [name for name in found if name not in wanted]
    wrong += [f"{name} is not in the network" for name in left_over if name.partition(".")[0] in trunk]
    if wrong:
        raise ValueError(f"weights of another network: {_named(wrong)}{_family(found)}")
    of_head = [name for name in wanted if name.startswith(f"{own_head}.")]
    fits = all(name in found and found[name].shape == wanted[name].shape for name in of_head)
    taken |= {name: found[name] for name in of_head if fits}
    dropped = [originals[name] for name in found if name not in taken]
    return Matched(taken, () if fits else tuple(of_head), tuple(dropped), tuple(summed))


def _renamed(tensors: Mapping[str, Tensor], *, first: str, own_head: str) -> dict[str, str]:
    """Return the original name of each tensor by the name that the network gives it, whose first one is `first`."""
    prefixed = [name for name in tensors if name == first or name.endswith(f".{first}")]
    prefix = min(prefixed, key=len).removesuffix(first) if prefixed else ""
    names: dict[str, str] = {}
    for original in tensors:
        name = _DENSE_LAYER.sub(r"\1.\2\3.", original.removeprefix(prefix))
        of_head = _HEAD.fullmatch(name)
        names[f"{own_head}.{of_head[1]}" if of_head else name] = original
    return names


def _is_of_colours(given: Tensor, own: Tensor) -> bool:
    """Return whether `given` are the kernels of colour pictures for the same convolution of grey ones."""
    if given.ndim != 4 or own.ndim != 4 or (given.shape[1], own.shape[1]) != (_NUM_COLOURS, 1):
        return False
    return (given.shape[0], given.shape[2:]) == (own.shape[0], own.shape[2:])


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _named(wrong: list[str]) -> str:
    more = len(wrong) - _NUM_NAMED
    return ", ".join(wrong[:_NUM_NAMED]) + (f", and {counted(more, 'other')}" if more > 0 else "")


def _family(found: Mapping[str, Tensor]) -> str:
    """Return a hint at the DenseNet that the weights are of; nothing for other networks."""
    layers = Counter(int(match[1]) for name in found if (match := _LAYER_OF_BLOCK.fullmatch(name)))
    first = found.get(
        "features.denseblock1.denselayer1.conv2.weight", found.get("features.denseblock1.denselayer1.conv1.weight")
    )
    if not layers or first is None:
        return ""
    numbers = ",".join(str(layers[index]) for index in sorted(layers))
    return f"; they are of architecture.block_config=[{numbers}] architecture.growth_rate={first.shape[0]}"
