import pytest
import torch

from densenet_sweep.config import composition
from densenet_sweep.run import cost_limits
from densenet_sweep.run.train import build_network


def config(*overrides: str):
    return composition.typed(composition.compose(["data=digits", "architecture.depth=10", *overrides]))


def estimates_of(given, size: int = 4):
    return cost_limits.estimates(
        given.limits,
        build_network(given),
        image_size=given.data.image_size,
        batch_size=given.batch_size,
        bytes_per_activation=size,
        states_per_weight=given.optimizer.states_per_weight,
    )


def test_without_a_limit_nothing_is_estimated():
    given = config()
    assert estimates_of(given) == cost_limits.excesses(given.limits, {}) == {}
    assert cost_limits.message(given.limits, {}) == ""


@pytest.mark.parametrize(("limit", "is_over"), [(20_470, False), (20_469, True)])
def test_parameters_are_counted(limit, is_over):
    given = config(f"limits.num_parameters={limit}", "architecture.growth_rate=12")
    found = estimates_of(given)
    assert found == {"num_parameters": 20_470}
    assert cost_limits.excesses(given.limits, found) == {"num_parameters": pytest.approx(20_470 / limit - 1)}
    assert (cost_limits.message(given.limits, found) != "") is is_over


def test_multiply_accumulates_are_counted_where_they_are_an_objective():
    given = composition.typed(composition.compose(["architecture=resnet", "data=cifar10"]))
    network = build_network(given)
    before = [it.clone() for it in network.state_dict().values()], torch.random.get_rng_state()
    assert cost_limits.costs(network, ["valid_accuracy"], image_size=32) == {"num_parameters": 269_722}
    found = cost_limits.costs(network, ["valid_accuracy", "num_macs"], image_size=32)
    assert found == {"num_parameters": 269_722, "num_macs": 40_551_040}
    assert all(map(torch.equal, [*network.state_dict().values(), torch.random.get_rng_state()], [*before[0], before[1]]))


def test_memory_grows_with_the_batch_the_precision_and_the_optimizers_state():
    def estimate(*overrides: str, size: int = 4) -> int:
        return estimates_of(config("limits.memory_bytes=1", *overrides), size)["memory_bytes"]

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
    message = cost_limits.message(given.limits, estimates_of(given))
    assert message.startswith("limits.num_parameters=1,000, and this network takes 20,470; limits.memory_bytes=1,000, and")
