import pytest
from torchvision import datasets

from densenet_sweep.config import composition
from densenet_sweep.data import sources
from densenet_sweep.data.known import FACTS, facts

CLASSES = {
    "fashion_mnist": datasets.FashionMNIST,
    "mnist": datasets.MNIST,
    "kmnist": datasets.KMNIST,
}


@pytest.mark.parametrize("name", FACTS)
def test_the_option_of_a_known_data_set_says_the_same(name):
    data = composition.typed(composition.compose([f"data={name}"])).data
    assert callable(getattr(sources, name))
    assert facts(data._target_) == FACTS[name]
    assert (data.num_channels, data.num_classes) == (FACTS[name].num_channels, FACTS[name].num_classes)


@pytest.mark.parametrize("name", CLASSES)
def test_torchvision_names_as_many_classes(name):
    assert len(CLASSES[name].classes) == FACTS[name].num_classes


def test_digits_are_as_many_as_is_known(tmp_path):
    train = sources.digits(str(tmp_path), download=False).train
    assert train.shape[:2] == (FACTS["digits"].num_images, FACTS["digits"].num_channels)


def test_nothing_is_known_of_a_users_own_data():
    assert facts("mine.fashion_mnist") is None
    assert facts("densenet_sweep.data.image_folder.image_folder") is None
