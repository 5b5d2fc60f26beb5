import pytest

from densenet_sweep.config import composition
from densenet_sweep.run import cost_limits
from densenet_sweep.run.train import build_network


def config(*overrides: str):
    return composition.typed(composition.compose(["data=digits", "architecture.depth=10", *overrides]))


def test_without_a_limit_nothing_is_estimated():
    given = config()
    assert cost_limits.excesses(given, build_network(given), 4) == {}
    assert cost_limits.message(given, build_network(given), 4) == ""


@pytest.mark.parametrize(("limit", "is_over"), [(20_470, False), (20_469, True)])
def test_parameters_are_counted(limit, is_over):
    given = config(f"limits.num_parameters={limit}", "architecture.growth_rate=12")
    network = build_network(given)
    assert sum(parameter.numel() for parameter in network.parameters()) == 20_470
    [excess] = cost_limits.excesses(given, network, 4).values()
    assert excess == pytest.approx(20_470 / limit - 1)
    assert (cost_limits.message(given, network, 4) != "") is is_over


def test_memory_grows_with_the_batch_the_precision_and_the_optimizers_state():
    def estimate(*overrides: str, size: int = 4) -> int:
        given = config("limits.memory_bytes=1", *overrides)
        return cost_limits.estimates(given, build_network(given), size)["memory_bytes"]

    weights = 4 * sum(parameter.numel() for parameter in build_network(config()).parameters())
    plain = estimate("optimizer=sgd")
    activations = plain - 2 * weights
    assert estimate("optimizer=nesterov") == plain + weights
    assert estimate("optimizer=muon") == plain + weights
    assert estimate("optimizer=adamw") == plain + 2 * weights
    assert estimate("optimizer=sgd", size=2) == activations // 2 + 2 * weights
    assert estimate("optimizer=sgd", "batch_size=128") == 2 * activations + 2 * weights


def test_the_message_names_key_limit_and_estimate():
    given = config("limits.num_parameters=1000", "limits.memory_bytes=1000", "architecture.growth_rate=12")
    message = cost_limits.message(given, build_network(given), 4)
    assert message.startswith("limits.num_parameters=1,000, and this network takes 20,470; limits.memory_bytes=1,000, and")
