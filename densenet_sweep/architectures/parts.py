"""The parts of a network by name: what `describe` lists, what fine-tuning freezes, and the head."""

from collections.abc import Iterator

from torch import nn


def parts(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts of `network` in order, those of its `features` one by one, each with its full name."""
    for name, module in network.named_children():
        if name == "features":
            yield from ((f"features.{inner}", part) for inner, part in module.named_children())
        else:
            yield name, module


def head(network: nn.Module) -> str:
    """Return the name of the linear layer that gives the logits: the last one.

    Raises:
        ValueError: there is none.
    """
    names = [str(name) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not names:
        raise ValueError("architecture: this network has no linear layer that could be its head")
    return names[-1]


def frozen(network: nn.Module, freeze: str) -> list[nn.Module]:
    """Return the parts that `finetune.freeze` names, first to last.

    Args:
        network: any.
        freeze: `none`; `features`, all parts before the head's; or a part's name without `features.`: it and all before it.

    Raises:
        ValueError: no such part, or everything would be frozen.
    """
    if freeze == "none":
        return []
    found = list(parts(network))
    own_head = head(network)
    last = next(index for index, (name, _) in enumerate(found) if own_head == name or own_head.startswith(f"{name}."))
    names = [name.removeprefix("features.") for name, _ in found[:last]]
    if freeze != "features" and freeze not in names:
        raise ValueError(
            f"finetune.freeze={freeze}: none, features or one of {', '.join(names)} is accepted; the rest must stay trainable"
        )
    end = last if freeze == "features" else names.index(freeze) + 1
    return [part for _, part in found[:end]]
