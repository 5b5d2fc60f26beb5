import pytest
import torch

from densenet_sweep.architectures import geometry
from densenet_sweep.architectures.densenet import densenet


@pytest.mark.parametrize(("depth", "bottleneck", "layers"), [(40, False, 12), (40, True, 6), (100, True, 16), (10, True, 1)])
def test_depth_gives_the_papers_layers(depth, bottleneck, layers):
    assert geometry.block_config(depth=depth, block_config=None, bottleneck=bottleneck) == (layers,) * 3


@pytest.mark.parametrize(("depth", "bottleneck"), [(41, False), (42, True), (4, True), (7, True), (0, False), (-2, True)])
def test_other_depths_are_refused_with_those_that_fit(depth, bottleneck):
    with pytest.raises(ValueError, match=rf"^architecture\.depth={depth}: a depth of [36]n\+4 is accepted, such as") as caught:
        geometry.block_config(depth=depth, block_config=None, bottleneck=bottleneck)
    suggested = int(str(caught.value).split("such as ")[1].split(" ")[0])
    assert geometry.block_config(depth=suggested, block_config=None, bottleneck=bottleneck)


@pytest.mark.parametrize("blocks", [[], [0], [3, -1]])
def test_blocks_without_layers_are_refused(blocks):
    with pytest.raises(ValueError, match="each of at least one layer"):
        geometry.block_config(depth=None, block_config=blocks, bottleneck=False)


@pytest.mark.parametrize(("stem", "blocks", "smallest"), [("imagenet", 4, 29), ("small", 3, 4), ("small", 1, 1)])
def test_the_smallest_image_runs_and_one_pixel_less_is_refused(stem, blocks, smallest):
    geometry.check_image_size(smallest, stem, blocks)
    network = densenet(in_channels=1, num_classes=2, growth_rate=2, block_config=[1] * blocks, stem=stem).eval()
    assert network(torch.zeros(1, 1, smallest, smallest)).shape == (1, 2)
    if smallest > 1:
        with pytest.raises(ValueError, match=f"at least {smallest} is accepted"):
            geometry.check_image_size(smallest - 1, stem, blocks)
        with pytest.raises(RuntimeError):
            network(torch.zeros(1, 1, smallest - 1, smallest - 1))
