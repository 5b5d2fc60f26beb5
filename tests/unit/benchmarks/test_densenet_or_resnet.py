import densenet_or_resnet as benchmark
import pytest
from densenet_or_resnet import LEARNING_RATES, NETWORKS, SHOWN, Network, Training

from densenet_sweep.drawing.scene import Points

DENSE, RES = Network("DenseNet-BC", 10, 8), Network("ResNet", 8, 6)


def results():
    low, high = LEARNING_RATES
    found = {
        Training(DENSE, low, 0): (0.8, 10.0),
        Training(DENSE, high, 0): (0.7, 10.0),
        Training(RES, low, 0): (0.6, 5.0),
        Training(RES, high, 0): (0.9, 5.0),
    }
    for seed, accuracy in zip(SHOWN, (0.81, 0.82, 0.83), strict=True):
        found[Training(DENSE, low, seed)] = (accuracy, 10.0 + seed)
    found[Training(RES, high, SHOWN[0])] = (0.9, 5.0)
    return found


def test_each_network_has_the_better_learning_rate_and_other_seeds():
    assert benchmark.chosen(results()) == {DENSE: LEARNING_RATES[0], RES: LEARNING_RATES[1]}
    wanted = benchmark.shown(results())
    assert {training.seed for training in wanted} == set(SHOWN)
    assert {(training.network, training.lr) for training in wanted} == set(benchmark.chosen(results()).items())


def test_a_network_is_shown_once_all_its_seeds_are_trained(tmp_path):
    for training, result in results().items():
        benchmark.append(tmp_path / "table.csv", training, result)
    read = benchmark.read(tmp_path / "table.csv")
    assert read == results()
    [(network, size)] = benchmark.measured(read).items()
    assert (network, size.num_parameters, size.seconds) == (DENSE, 9_342, 12.0)  # the published rule; see test_densenet.py
    assert (size.accuracy, size.deviation) == (pytest.approx(0.82), pytest.approx(0.01))
    panels = benchmark.picture({network: size}).panels
    [points] = [mark for mark in panels[0].marks if isinstance(mark, Points) and mark.x]
    assert (points.name, list(points.x), list(points.y)) == ("DenseNet-BC", [9_342], [pytest.approx(0.82)])


def test_both_families_are_trained_at_the_same_range_of_sizes():
    config = {network: benchmark.composition.compose([*benchmark.COMMON, *network.overrides]) for network in NETWORKS}
    assert {it.data.image_size for it in config.values()} == {14}
    assert {network.family for network in NETWORKS} == set(benchmark.STYLES)
