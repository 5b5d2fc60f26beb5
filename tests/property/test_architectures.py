import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from densenet_sweep.architectures.densenet import densenet

block_configs = st.lists(st.integers(1, 3), min_size=1, max_size=3)


def closed_formula(in_channels, num_classes, growth_rate, block_config, bn_size, compression, init, bias) -> int:
    """Count parameters from the paper's text alone."""
    total = in_channels * init * 9 + bias * init
    channels = init
    for index, layers in enumerate(block_config):
        for _ in range(layers):
            total += 2 * channels
            if bn_size is None:
                total += channels * growth_rate * 9 + bias * growth_rate
            else:
                width = bn_size * growth_rate
                total += channels * width + bias * width + 2 * width + width * growth_rate * 9 + bias * growth_rate
            channels += growth_rate
        if index < len(block_config) - 1:
            kept = int(channels * compression)
            total += 2 * channels + channels * kept + bias * kept
            channels = kept
    return total + 2 * channels + channels * num_classes + num_classes


@settings(max_examples=40, deadline=None)
@given(
    in_channels=st.integers(1, 3),
    num_classes=st.integers(1, 5),
    growth_rate=st.integers(1, 6),
    block_config=block_configs,
    bn_size=st.none() | st.integers(1, 3),
    compression=st.sampled_from([0.5, 0.75, 1.0]),
    init=st.integers(2, 8),
    bias=st.booleans(),
    size=st.integers(8, 13),
)
def test_shape_and_count_of_any_net(
    in_channels, num_classes, growth_rate, block_config, bn_size, compression, init, bias, size
):
    network = densenet(
        in_channels=in_channels,
        num_classes=num_classes,
        growth_rate=growth_rate,
        block_config=block_config,
        num_init_features=init,
        bn_size=bn_size,
        compression=compression,
        conv_bias=bias,
    )
    assert network(torch.randn(2, in_channels, size, size)).shape == (2, num_classes)
    expected = closed_formula(in_channels, num_classes, growth_rate, block_config, bn_size, compression, init, bias)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected
