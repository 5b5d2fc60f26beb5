"""How starting weights are read, and what is said of them."""

import hashlib
import logging
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import get_weight
from torchvision.models.densenet import DenseNet

from densenet_sweep.architectures.densenet import densenet
from densenet_sweep.architectures.published import IMAGENET_MEAN, IMAGENET_STD
from densenet_sweep.run import starting_weights

SIZE = {"growth_rate": 2, "block_config": (1, 1), "num_init_features": 4}


def ours(num_classes: int = 5) -> nn.Module:
    return densenet(in_channels=3, num_classes=num_classes, bn_size=4, compression=0.5, stem="imagenet", **SIZE)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    network = DenseNet(**SIZE, num_classes=5)
    return {name.replace("norm5", "norm3"): tensor.clone() for name, tensor in network.state_dict().items()}


def read(name: object, find_model=None) -> starting_weights.StartingWeights:
    return starting_weights.read(str(name), published="DenseNet121", uri="sqlite:///x.db", find_model=find_model)


WRITERS = {
    "a.pth": lambda state, path: torch.save(state, path),
    "legacy.pt": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "b.safetensors": save_file,
    "model.pth.tar": lambda state, path: torch.save({"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}, path),
    "c.ckpt": lambda state, path: torch.save({"model": state}, path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_its_tensors(name, state, tmp_path):
    path = tmp_path / name
    WRITERS[name](state, path)
    weights = read(path)
    assert weights.tensors.keys() == state.keys()
    assert all(torch.equal(weights.tensors[key], state[key]) for key in state)
    assert (weights.origin, weights.mean, weights.std) == (f"file {name}", IMAGENET_MEAN, IMAGENET_STD)


def test_a_home_folder_may_be_abbreviated(state, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(state, tmp_path / "a.pth")
    assert read("~/a.pth").tensors.keys() == state.keys()


def test_a_file_of_ours_brings_its_statistics(state, tmp_path):
    torch.save(
        {"network": state, "epoch": 1, "class_names": ["a"], "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.8]},
        tmp_path / "best.pt",
    )
    weights = read(tmp_path / "best.pt")
    assert (weights.mean, weights.std) == ((0.1, 0.2, 0.3), (0.5, 0.5, 0.8))
    torch.testing.assert_close(weights.statistics(3)[0], torch.tensor([0.1, 0.2, 0.3]))
    torch.testing.assert_close(torch.cat(weights.statistics(1)), torch.tensor([0.2, 0.6]))


class Code:
    """Runs when it is unpickled, unless only tensors are read."""

    def __reduce__(self):
        return (Path("ran").touch, ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"state_dict": Code()},
            r"cannot be read as weights \(it holds more than tensors.*: save model\.state_dict\(\) alone\)",
        ),
        ([1, 2], r"cannot be read as weights \(it holds a list; save model\.state_dict\(\)\)"),
        ({"epoch": 1}, r"holds no tensors by name; save model\.state_dict\(\)"),
    ],
)
def test_what_is_no_state_is_refused_and_never_run(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "a.pth")
    with pytest.raises(ValueError, match=rf"^architecture\.weights=a\.pth: {message}$"):
        read("a.pth")
    assert not Path("ran").exists()


@pytest.mark.parametrize("name", ["a.pth", "legacy.pt", "b.safetensors"])
def test_a_damaged_file_is_refused(name, state, tmp_path):
    path = tmp_path / name
    WRITERS[name](state, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"cannot be read as weights \([^\n]+\)$"):
        read(path)


def test_a_flipped_bit_is_found(state, tmp_path):
    torch.save(state, tmp_path / "a.pth")
    content = bytearray((tmp_path / "a.pth").read_bytes())
    content[content.index(state["features.conv0.weight"].numpy().tobytes()) + 5] ^= 1
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read as weights .*checksum"):
        read(tmp_path / "a.pth")


def test_no_such_file():
    with pytest.raises(FileNotFoundError, match=r"^architecture\.weights=none/a\.pth: no such file$"):
        read("none/a.pth")


def test_the_digest_is_that_of_the_tensors_however_they_are_kept(state, tmp_path):
    torch.save(state, tmp_path / "a.pth")
    save_file(state, tmp_path / "b.safetensors")
    torch.save({**state, "classifier.bias": state["classifier.bias"] + 1}, tmp_path / "c.pth")
    digests = [read(tmp_path / name).digest for name in ("a.pth", "b.safetensors", "c.pth")]
    assert digests[0] == digests[1] != digests[2]


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """A file of torchvision's weights in torch's folder, with another content."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / get_weight("DenseNet121_Weights.DEFAULT").url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    return path


def test_torchvisions_weights_come_with_a_check_of_their_hash(hub, state, monkeypatch):
    torch.save(state, hub)
    with pytest.raises(ValueError, match=r"^architecture\.weights=torchvision: .*densenet121-\w+\.pth is damaged: its SHA-256"):
        read("torchvision")
    expected = hub.name.removeprefix("densenet121-").removesuffix(".pth")
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: type("Digest", (), {"hexdigest": lambda _: f"{expected}00"})())
    weights = read("torchvision")
    assert weights.tensors.keys() == state.keys()
    assert (weights.origin, weights.mean) == ("DenseNet121_Weights.IMAGENET1K_V1", IMAGENET_MEAN)
    transforms = get_weight("DenseNet121_Weights.DEFAULT").transforms()
    assert (tuple(transforms.mean), tuple(transforms.std)) == (IMAGENET_MEAN, IMAGENET_STD)


def test_without_a_network_one_line_has_the_ways_to_get_them(hub, monkeypatch):
    def offline(*_, **options):
        assert options["check_hash"]
        raise URLError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(FileNotFoundError) as refused:
        read("torchvision")
    message = str(refused.value)
    assert message.startswith(
        f"architecture.weights=torchvision: {hub.name} could not be downloaded (<urlopen error no network>): "
    )
    assert f"put the file into {hub.parent}" in message
    assert "\n" not in message


def test_a_model_of_ones_own(state):
    found = {f"network.{name}": tensor for name, tensor in state.items()}
    found |= {"mean_C": torch.tensor([0.5, 0.25, 0.75]), "std_C": torch.tensor([0.5, 0.5, 1.0])}
    requested = []

    def find_model(*arguments):
        requested.append(arguments)
        return found

    weights = read("models:/densenet-sweep@champion", find_model)
    assert requested == [("models:/densenet-sweep@champion", "sqlite:///x.db")]
    assert (weights.mean, weights.std) == ((0.5, 0.25, 0.75), (0.5, 0.5, 1.0))
    assert weights.matched(ours()).drawn == ()


def test_a_model_that_is_not_there_is_named_with_the_key():
    def find_model(name, _):
        raise ValueError(f"{name}: no such study; there are a, b")

    with pytest.raises(ValueError, match=r"^architecture\.weights=mine: no such study; there are a, b$"):
        read("mine", find_model)


def test_one_line_and_the_tags_say_what_was_loaded_dropped_and_drawn(state, caplog):
    network = ours(num_classes=3)
    weights = starting_weights.StartingWeights("a.pth", "file a.pth", {**state, "criterion.weight": torch.ones(2)})
    with caplog.at_level(logging.INFO, "densenet_sweep"):
        loaded = weights.load(network)
    count = len(state) - 2
    assert caplog.messages == [
        f"architecture.weights=a.pth (file a.pth): loaded {count} tensors; drawn classifier.weight, classifier.bias; "
        "dropped classifier.weight, classifier.bias, criterion.weight"
    ]
    assert loaded.tags() == {
        "weights.origin": "file a.pth",
        "weights.digest": weights.digest,
        "weights.loaded": f"{count} tensors",
        "weights.drawn": "classifier.weight, classifier.bias",
        "weights.dropped": "classifier.weight, classifier.bias, criterion.weight",
    }
    assert torch.equal(network.features.conv0.weight, state["features.conv0.weight"])
    assert len(loaded.parameters(network)) == len(list(network.features.parameters()))
