"""What follows from an architecture's arguments by arithmetic alone; imports no torch, so that a config is checked at once.

Owns the depth formula of the paper's families and the shrinking of an image through stem and transitions.
"""

from collections.abc import Sequence

from densenet_sweep.counts import counted
from densenet_sweep.picture_size import sides

STEMS = ("small", "imagenet")
INITIALIZATIONS = ("he", "xavier", "torch")
SHORTCUTS = ("A", "B")

NUM_SMALL_IMAGE_BLOCKS = 3


def block_config(*, depth: int | None, block_config: Sequence[int] | None, bottleneck: bool) -> tuple[int, ...]:
    """Return the number of layers of each dense block, from exactly one of `depth` and `block_config`.

    The paper's nets for small images have three equal blocks of n layers: depth L = 3n + 4, or 6n + 4 with bottlenecks
    (Huang et al., CVPR 2017, section 3 "Implementation Details").

    Raises:
        ValueError: neither or both given, a depth that no n gives, or a block without layers.
    """
    if (depth is None) == (block_config is None):
        given = "both were" if depth is not None else "neither was"
        raise ValueError(
            f"architecture.depth={depth} and architecture.block_config={_shown(block_config)}: exactly one is accepted, "
            f"{given} given (set the other to null)"
        )
    if block_config is not None:
        if len(block_config) == 0 or min(block_config) < 1:
            raise ValueError(
                f"architecture.block_config={_shown(block_config)}: at least one block, each of at least one layer, is accepted"
            )
        return tuple(block_config)
    assert depth is not None
    per_layer = 2 * NUM_SMALL_IMAGE_BLOCKS if bottleneck else NUM_SMALL_IMAGE_BLOCKS
    num_layers, rest = divmod(depth - 4, per_layer)
    if rest or num_layers < 1:
        below = max(1, num_layers)
        raise ValueError(
            f"architecture.depth={depth}: a depth of {per_layer}n+4 is accepted, "
            f"such as {per_layer * below + 4} or {per_layer * (below + 1) + 4}"
        )
    return (num_layers,) * NUM_SMALL_IMAGE_BLOCKS


def blocks_of_a_stage(depth: int | None) -> int:
    """Return the number of blocks in each of the three stages of a ResNet for small images: n of depth 6n + 2.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2.

    Raises:
        ValueError: a depth that no n gives.
    """
    num_blocks, rest = divmod((0 if depth is None else depth) - 2, 6)
    if rest or num_blocks < 1:
        below = max(1, num_blocks)
        shown = "null" if depth is None else depth
        raise ValueError(
            f"architecture.depth={shown}: a depth of 6n+2 is accepted, such as {6 * below + 2} or {6 * (below + 1) + 2}"
        )
    return num_blocks


def num_init_features(given: int | None, *, growth_rate: int, bn_size: int | None) -> int:
    """Return the number of maps after the stem: `given`, or the paper's, 16 for plain nets and 2k with bottlenecks."""
    if given is not None:
        return given
    return 16 if bn_size is None else 2 * growth_rate


def stage_sizes(side: int, stem: str, num_blocks: int) -> list[int]:
    """Return what a height or width of `side` pixels is inside each dense block; 0 once an image has shrunk to nothing."""
    size = side
    if stem == "imagenet":  # 7x7/2 convolution with padding 3, then 3x3/2 max pool with padding 1
        size = (size - 1) // 2 + 1
        size = (size - 1) // 2 + 1
    return [size // 2**index for index in range(num_blocks)]


def check_image_size(image_size: int | Sequence[int], stem: str, num_blocks: int) -> None:
    """Refuse an image that the transitions would shrink below 1x1.

    Raises:
        ValueError: naming the smallest image that fits.
    """
    if stage_sizes(min(sides(image_size)), stem, num_blocks)[-1] < 1:
        smallest = 2 ** (num_blocks - 1)
        if stem == "imagenet":  # the inverse of what `stage_sizes` does
            smallest = 4 * (smallest - 1) + 1
        raise ValueError(
            f"data.image_size={image_size}: this architecture ({stem} stem, "
            f"{counted(num_blocks, 'dense block')}) shrinks it below 1x1; at least {smallest} is accepted"
        )


def _shown(block_config: Sequence[int] | None) -> str:
    return "null" if block_config is None else str(list(block_config))
