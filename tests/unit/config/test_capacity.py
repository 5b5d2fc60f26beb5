import sys
from types import SimpleNamespace

import psutil
import pytest

from densenet_sweep.callbacks.worker_memory import WorkerMemory
from densenet_sweep.config import capacity, composition
from densenet_sweep.config.optimizer_schema import OptimizerConfig
from densenet_sweep.config.schema import ConfigError
from densenet_sweep.run import cost_limits
from densenet_sweep.run.train import build_network


def config(*overrides: str):
    return composition.typed(composition.compose(overrides))


def test_a_network_is_refused_by_what_the_machine_has():
    given = config("batch_size=256", "precision=fp32", "optimizer=adamw")
    # 71,254 weights with their gradients and two numbers each, and the 436,208 numbers that are kept of each of 256 images.
    takes = 4 * (71_254 * 4 + capacity.network_size(given.architecture, given.data).num_activations * 256)
    capacity.check_fits(given, memory_bytes=takes)
    with pytest.raises(ConfigError) as caught:
        capacity.check_fits(given, memory_bytes=takes - 1)
    assert str(caught.value) == (
        f"architecture: 71,254 weights, at batch_size=256 and data.image_size=28, take at least {takes / 2**30:.1f} GiB in "
        f"training; this machine has {takes / 2**30:.1f} GiB of memory"
    )


def test_bf16_may_take_half_and_a_description_takes_one_image():
    given = config("batch_size=256")
    activations = capacity.network_size(given.architecture, given.data).num_activations
    capacity.check_fits(given, memory_bytes=4 * 71_254 * 3 + 2 * activations * 256)
    capacity.check_fits(given, trains=False, memory_bytes=4 * 71_254 + 2 * activations)
    with pytest.raises(ConfigError, match="71,254 weights take at least"):
        capacity.check_fits(given, trains=False, memory_bytes=4 * 71_254)


def test_a_worker_takes_what_its_training_does_and_what_it_imports():
    given = config("batch_size=256", "precision=fp32", "optimizer=adamw")
    takes = 4 * (71_254 * 4 + capacity.network_size(given.architecture, given.data).num_activations * 256)
    assert capacity.training_bytes(given) == takes
    job = composition.compose(["batch_size=256", "precision=fp32", "optimizer=adamw"])
    [worker] = WorkerMemory().on_worker_memory(job)
    assert worker - takes == 700 * 2**20


@pytest.mark.parametrize("incomplete", ["optimizer.lr=???", "architecture.depth=17", "optimizer.lr=${nowhere}"])
def test_a_worker_is_not_estimated_by_a_config_that_needs_a_trials_values(incomplete):
    assert WorkerMemory().on_worker_memory(composition.compose([incomplete])) == []


def test_a_batch_is_no_larger_than_its_data_set():
    small = config("data=digits", "batch_size=1000000")
    whole = config("data=digits", "batch_size=1438")
    for given in (small, whole):
        with pytest.raises(ConfigError, match="batch_size=1438 "):
            capacity.check_fits(given, memory_bytes=1)


def test_every_optimizer_of_ours_says_how_many_numbers_it_keeps():
    names = sorted(path.stem for path in (composition.config_folder() / "optimizer").glob("[!_]*.yaml"))
    states = {name: config(f"optimizer={name}").optimizer.states_per_weight for name in names}
    assert states == {"adamw": 2, "muon": 1, "nesterov": 1, "sgd": 0}


def test_an_optimizer_of_the_users_own_counts_as_adams_in_limits():
    given = config("limits.memory_bytes=1")
    common = {"image_size": 28, "batch_size": 8, "bytes_per_activation": 4}
    adamw, own = (
        cost_limits.estimates(given.limits, build_network(given), **common, states_per_weight=optimizer.states_per_weight)
        for optimizer in (config("optimizer=adamw").optimizer, OptimizerConfig("my_package.lion", 0.1))
    )
    assert OptimizerConfig("my_package.lion", 0.1).states_per_weight is None
    assert own == adamw


def test_a_processor_is_always_there():
    capacity.check_device("auto")
    capacity.check_device("cpu")
    assert capacity.machine_memory("cpu") > 2**20


@pytest.mark.parametrize(("limit", "memory"), [(None, 2**40), (2**20, 2**20), (2**62, 2**40)])
def test_a_container_has_the_memory_that_it_may_use(monkeypatch, limit, memory):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=2**40))
    monkeypatch.setattr(capacity, "memory_limit", lambda: limit)
    assert capacity.machine_memory("cpu") == memory


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac may have it")
def test_a_macs_gpu_is_refused_elsewhere():
    with pytest.raises(ConfigError, match=r"^device=mps: only a Mac has it; auto or cpu is accepted$"):
        capacity.check_device("mps")


def test_what_is_frozen_for_good_need_not_fit_a_backward_pass():
    common = ["architecture=densenet121", "data=cifar10", "architecture.weights=torchvision", "device=cpu"]
    frozen = [*common, "finetune.freeze=features"]
    capacity.check_fits(config(*frozen), memory_bytes=2**26)
    for overrides in (common, [*frozen, "finetune.unfreeze_after=1"]):
        with pytest.raises(ConfigError, match="in training"):
            capacity.check_fits(config(*overrides), memory_bytes=2**26)
