"""Loaders, on small files in the real formats: idx, CIFAR's pickles, SVHN's MATLAB files."""

import gzip
import hashlib
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from torchvision import datasets

from densenet_sweep.data import sources
from densenet_sweep.data.cache import FOLDER
from densenet_sweep.data.split import split


def write_idx(folder: Path, *, suffix: str = ".gz", num_train: int = 30, num_test: int = 20) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for prefix, count in (("train", num_train), ("t10k", num_test)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            data = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
            (folder / f"{prefix}-{name}-ubyte{suffix}").write_bytes(gzip.compress(data) if suffix else data)


@pytest.fixture
def _no_system_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "FASHION_MNIST_SYSTEM_FOLDER", tmp_path / "system")


@pytest.fixture
def _no_network(monkeypatch):
    def refused(dataset, *_, **__):
        Path(dataset.root, "raw").mkdir(parents=True)
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nTried https://a, got:\nno route")

    for dataset in (datasets.FashionMNIST, datasets.MNIST, datasets.CIFAR10, datasets.SVHN):
        monkeypatch.setattr(dataset, "download", refused)


@pytest.mark.usefixtures("_no_system_folder", "_no_network")
@pytest.mark.parametrize("folder", ["FashionMNIST/raw", "fashion-mnist", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_fashion_mnist_is_found_in_the_data_root(tmp_path, folder, suffix):
    write_idx(tmp_path / folder, suffix=suffix)
    source = sources.fashion_mnist(str(tmp_path), download=True)
    assert source.train.images_NCHW.shape == (30, 1, 28, 28)
    assert source.train.images_NCHW.dtype == torch.uint8
    assert source.class_names == tuple(datasets.FashionMNIST.classes)
    assert len(source.load_test()) == 20


@pytest.mark.usefixtures("_no_system_folder")
@pytest.mark.parametrize(("suffix", "files"), [("", 0), (".gz", 2)])
def test_what_is_packed_is_decoded_once(tmp_path, monkeypatch, suffix, files):
    write_idx(tmp_path, suffix=suffix)
    first = sources.fashion_mnist(str(tmp_path), download=False)
    digests = [first.train.digest, first.load_test().digest]
    assert len(list(tmp_path.glob(f"{FOLDER}/*.npy"))) == files
    if files:
        monkeypatch.setattr(gzip, "decompress", None)
    second = sources.fashion_mnist(str(tmp_path), download=False)
    assert [second.train.digest, second.load_test().digest] == digests
    assert second.class_names == first.class_names


@pytest.mark.usefixtures("_no_system_folder")
def test_other_files_are_decoded_anew(tmp_path):
    write_idx(tmp_path)
    assert len(sources.fashion_mnist(str(tmp_path), download=False).train) == 30
    write_idx(tmp_path, num_train=40)
    assert len(sources.fashion_mnist(str(tmp_path), download=False).train) == 40


@pytest.mark.usefixtures("_no_system_folder")
def test_then_where_the_package_puts_it(tmp_path):
    write_idx(tmp_path / "system")
    assert len(sources.fashion_mnist(str(tmp_path / "nothing"), download=False).train) == 30


@pytest.mark.usefixtures("_no_system_folder")
def test_the_test_files_are_opened_only_on_demand(tmp_path):
    write_idx(tmp_path)
    source = sources.fashion_mnist(str(tmp_path), download=False)
    for path in tmp_path.glob("t10k-*"):
        path.unlink()
    with pytest.raises(FileNotFoundError):
        source.load_test()


@pytest.mark.usefixtures("_no_system_folder", "_no_network")
@pytest.mark.parametrize("download", [True, False])
def test_nothing_anywhere_names_the_three_ways_and_digits(tmp_path, download):
    with pytest.raises(FileNotFoundError) as caught:
        sources.fashion_mnist(str(tmp_path), download=download)
    message = str(caught.value)
    assert "\n" not in message
    for part in (f"data.root={tmp_path}", "dataset-fashion-mnist", "data.download=true", "data=digits"):
        assert part in message
    assert ("the download failed: Error downloading" in message) == download


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("name", ["mnist", "kmnist"])
def test_its_relatives_are_read_alike(tmp_path, name):
    write_idx(tmp_path / name)
    source = getattr(sources, name)(str(tmp_path), download=False)
    assert (len(source.train), source.class_names) == (30, tuple(getattr(datasets, name.upper()).classes))
    with pytest.raises(FileNotFoundError, match=f"data={name} is not in"):
        getattr(sources, name)(str(tmp_path / "no" / "thing"), download=True)
    assert not (tmp_path / "no").exists()


def test_torchvision_is_not_imported_for_idx_files(tmp_path):
    write_idx(tmp_path / "mnist")
    code = "import sys, densenet_sweep.run.train; from densenet_sweep.data import sources\n"
    code += f"sources.mnist({str(tmp_path)!r}, download=True); sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_failed_download_leaves_what_another_process_has_downloaded(tmp_path, monkeypatch):
    kept = tmp_path / "new" / "KMNIST" / "raw" / "train-images-idx3-ubyte.gz"

    def interrupted(*_, **__):
        kept.parent.mkdir(parents=True)
        kept.write_bytes(b"theirs")
        (tmp_path / "new" / "MNIST" / "raw").mkdir(parents=True)
        raise RuntimeError("Error downloading")

    monkeypatch.setattr(datasets.MNIST, "download", interrupted)
    with pytest.raises(FileNotFoundError, match="data=mnist is not in"):
        sources.mnist(str(tmp_path / "new"), download=True)
    assert [path for path in (tmp_path / "new").rglob("*") if path.is_file()] == [kept]
    assert not (tmp_path / "new" / "MNIST").exists()


@pytest.mark.real("fashion_mnist")
def test_the_real_fashion_mnist(unavailable):
    if not sources.FASHION_MNIST_SYSTEM_FOLDER.is_dir():
        unavailable("Debian's dataset-fashion-mnist is not installed")
    source = sources.fashion_mnist("/nonexistent", download=False)
    assert source.train.images_NCHW.shape == (60_000, 1, 28, 28)
    assert source.train.labels_N.bincount().tolist() == [6_000] * 10
    # Xiao et al.'s published mean and deviation of the training pixels.
    pixels = source.train.images_NCHW.double() / 255
    assert pixels.mean().item() == pytest.approx(0.2860, abs=1e-4)
    assert pixels.std().item() == pytest.approx(0.3530, abs=1e-4)
    # MLflow's runs are compared by these.
    train, valid = split(source.train, valid_fraction=0.1, num_train=None, seed=0)
    digests = [train.digest, valid.digest, source.load_test().digest]
    assert digests == ["bbc933e945e5a72b", "0f624306798ea0ee", "ab13b48aa39ffe6b"]


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch, dataset: type, label_key: str, classes: list[str]) -> None:
    """Write CIFAR's own layout, and tell torchvision the checksums of these smaller files."""
    folder = root / dataset.base_folder
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)

    def write(name: str, content: dict) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data, usedforsecurity=False).hexdigest()

    def batch(count: int) -> dict:
        return {
            "data": generator.integers(0, 256, (count, 3072), dtype=np.uint8),
            label_key: [index % len(classes) for index in range(count)],
        }

    for attribute, count in (("train_list", 20), ("test_list", 10)):
        listed = [[name, write(name, batch(count))] for name, _ in getattr(dataset, attribute)]
        monkeypatch.setattr(dataset, attribute, listed)
    meta = dict(dataset.meta)
    meta["md5"] = write(meta["filename"], {meta["key"]: classes})
    monkeypatch.setattr(dataset, "meta", meta)


def test_cifar10(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, "labels", [f"class {index}" for index in range(10)])
    source = sources.cifar10(str(tmp_path), download=False)
    assert source.train.images_NCHW.shape == (5 * 20, 3, 32, 32)
    assert len(source.load_test()) == 10
    assert source.class_names[3] == "class 3"
    with (tmp_path / "cifar-10-batches-py" / "data_batch_1").open("rb") as file:
        first = pickle.load(file)
    assert np.array_equal(source.train.images_NCHW[0].numpy().ravel(), first["data"][0])
    assert source.train.labels_N[:3].tolist() == [0, 1, 2]
    monkeypatch.setattr(datasets.CIFAR10, "__init__", None)  # decoded once
    again = sources.cifar10(str(tmp_path), download=False)
    assert (again.class_names, again.train.digest) == (source.class_names, source.train.digest)


def test_cifar100(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR100, "fine_labels", [f"class {index}" for index in range(100)])
    source = sources.cifar100(str(tmp_path), download=False)
    assert source.train.images_NCHW.shape == (20, 3, 32, 32)
    assert len(source.class_names) == 100


@pytest.mark.usefixtures("_no_network")
def test_a_damaged_cifar_is_not_used(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, "labels", ["a", "b"])
    damaged = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    with pytest.raises(FileNotFoundError, match=r"data=cifar10 is not in data\.root"):
        sources.cifar10(str(tmp_path), download=False)


def test_svhn(tmp_path, monkeypatch):
    splits = dict(datasets.SVHN.split_list)
    generator = np.random.default_rng(0)
    folder = tmp_path / "svhn"
    folder.mkdir()
    for part in ("train", "test"):
        url, filename, _ = splits[part]
        images = generator.integers(0, 256, (32, 32, 3, 12), dtype=np.uint8)
        # SVHN calls the digit 0 class 10.
        scipy.io.savemat(folder / filename, {"X": images, "y": np.array([[10], [1], [2]] * 4, dtype=np.uint8)})
        checksum = hashlib.md5((folder / filename).read_bytes(), usedforsecurity=False).hexdigest()
        splits[part] = [url, filename, checksum]
    monkeypatch.setattr(datasets.SVHN, "split_list", splits)
    source = sources.svhn(str(tmp_path), download=False)
    assert source.train.images_NCHW.shape == (12, 3, 32, 32)
    assert source.train.labels_N[:3].tolist() == [0, 1, 2]
    assert len(source.load_test()) == 12


def test_digits_are_always_there_with_a_test_set_apart():
    source = sources.digits("/nonexistent", download=False)
    test = source.load_test()
    assert len(source.train) + len(test) == 1797
    assert source.train.images_NCHW.shape[1:] == (1, 8, 8)
    assert source.train.images_NCHW.max() == 255
    assert test.labels_N.bincount().min() >= 34
