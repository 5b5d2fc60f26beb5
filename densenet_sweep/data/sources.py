"""The supplied data sets, each a function from a folder to a `Source`.

torchvision downloads and checks the files. This module finds them, says what to do when they are missing, and decodes them once
for all processes (see `cache.load_or_decode`; plain idx files need no decoding). A test file is opened only when `load_test` is
called, and torchvision, whose import takes as long as PyTorch's, is imported only by what needs it.
"""

import pickle
import tarfile
import urllib.error
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from densenet_sweep.data import idx
from densenet_sweep.data.cache import Decoded, Decoding, file_name, load_or_decode
from densenet_sweep.data.images import HeldBack, Images, Source
from densenet_sweep.data.split import split

# The folder of Debian's and Ubuntu's package dataset-fashion-mnist. Its gzip files were packed anew, so their checksums differ
# from torchvision's list; the contents are the same.
FASHION_MNIST_SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")

_DIGITS_TEST_FRACTION = 0.2

# As torchvision names them, whose order is that of the labels.
_CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_DIGITS = (
    *("0 - zero", "1 - one", "2 - two", "3 - three", "4 - four"),
    *("5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine"),
)
_KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

Loaded = TypeVar("Loaded")


def fashion_mnist(root: str, *, download: bool) -> Source:
    """Return Fashion-MNIST (Xiao et al., 2017): 60,000 + 10,000 grey images of 28 px in 10 classes.

    Looked for in `root`, then where Debian's package puts it, then downloaded into `root`.

    Raises:
        FileNotFoundError: it is in none of these places; the message says how to get it.
        ValueError: a corrupt file.
    """
    return _mnist_like(
        "fashion_mnist",
        "FashionMNIST",
        _CLOTHES,
        root,
        download=download,
        further=FASHION_MNIST_SYSTEM_FOLDER,
        package="dataset-fashion-mnist",
    )


def mnist(root: str, *, download: bool) -> Source:
    """Return MNIST (LeCun et al., 1998): 60,000 + 10,000 grey digits of 28 px. Raises as `fashion_mnist`."""
    return _mnist_like("mnist", "MNIST", _DIGITS, root, download=download)


def kmnist(root: str, *, download: bool) -> Source:
    """Return Kuzushiji-MNIST (Clanuwat et al., 2018): 60,000 + 10,000 grey characters. Raises as `fashion_mnist`."""
    return _mnist_like("kmnist", "KMNIST", _KUZUSHIJI, root, download=download)


def cifar10(root: str, *, download: bool) -> Source:
    """Return CIFAR-10 (Krizhevsky, 2009): 50,000 + 10,000 colour images of 32 px. Raises as `fashion_mnist`."""
    return _torchvision("cifar10", "CIFAR10", root, download=download, which=({"train": True}, {"train": False}))


def cifar100(root: str, *, download: bool) -> Source:
    """Return CIFAR-100 (Krizhevsky, 2009): 50,000 + 10,000 colour images of 32 px. Raises as `fashion_mnist`."""
    return _torchvision("cifar100", "CIFAR100", root, download=download, which=({"train": True}, {"train": False}))


def svhn(root: str, *, download: bool) -> Source:
    """Return SVHN (Netzer et al., 2011): 73,257 + 26,032 colour digits of 32 px. Raises as `fashion_mnist`."""
    folder, which = str(Path(root) / "svhn"), ({"split": "train"}, {"split": "test"})
    return _torchvision("svhn", "SVHN", folder, download=download, which=which)


def digits(root: str, *, download: bool) -> Source:  # noqa: ARG001 - every source is called alike
    """Return scikit-learn's digits: 1,797 grey images of 8 px, part of an installed package, so they are always there.

    They have no test set; a stratified fifth is set apart as one.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images_NHW = torch.from_numpy((bunch.images * (255 / 16)).round().astype(np.uint8))
    everything = Images(images_NHW[:, None], torch.from_numpy(bunch.target).long())
    train, test = split(everything, valid_fraction=_DIGITS_TEST_FRACTION, num_train=None, seed=0)
    return Source(tuple(str(digit) for digit in range(10)), train, HeldBack(lambda: test))


def _mnist_like(
    name: str,
    dataset: str,
    class_names: tuple[str, ...],
    root: str,
    *,
    download: bool,
    further: Path | None = None,
    package: str | None = None,
) -> Source:
    """Return one of the MNIST family from the first folder that has all of its idx files; `dataset` is torchvision's class."""
    train_names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    test_names = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    folders = [Path(root) / dataset / "raw", Path(root) / name.replace("_", "-"), Path(root)]
    folders += [further] if further is not None else []

    def found() -> list[dict[str, Path]]:
        places = [{file: idx.find(folder, file) for file in (*train_names, *test_names)} for folder in folders]
        return [
            {file: path for file, path in place.items() if path is not None}
            for place in places
            if all(path is not None for path in place.values())
        ]

    if not found():
        _download(lambda: _class(dataset)(root, train=True, download=True), name, root, download=download, package=package)
    files = found()[0]

    def read(part: str, names: tuple[str, str]) -> Decoded:
        images_path, labels_path = files[names[0]], files[names[1]]
        if images_path.suffix != ".gz":
            return Decoded(class_names, idx.read_images(images_path, labels_path))
        stats = [path.stat() for path in (images_path, labels_path)]
        cached = file_name(f"{name}-{part}", *((stat.st_size, stat.st_mtime_ns) for stat in stats))
        return load_or_decode(cached, Path(root), lambda: Decoding.of(class_names, idx.read_images(images_path, labels_path)))

    train = read("train", train_names)
    return Source(train.class_names, train.images, HeldBack(lambda: read("test", test_names).images), train.remark)


def _torchvision(
    name: str, class_name: str, root: str, *, download: bool, which: tuple[dict[str, Any], dict[str, Any]]
) -> Source:
    """Return a data set that torchvision reads and checks against its checksums when it is decoded.

    Args:
        name: of the data set.
        class_name: of torchvision's data set.
        root: the class's argument `root`.
        download: whether downloading is allowed.
        which: the class's arguments for the training images, and for the test images.
    """
    dataset = _class(class_name)

    def load(arguments: dict[str, Any]) -> Decoding:
        try:
            loaded = _readable(lambda: dataset(root, **arguments, download=False), root)
        except FileNotFoundError:
            loaded = _download(lambda: dataset(root, **arguments, download=True), name, root, download=download)
        classes = getattr(loaded, "classes", None) or [str(label) for label in range(10)]
        return Decoding.of(classes, _as_images(loaded))

    def read(part: str, arguments: dict[str, Any]) -> Decoded:
        # The files' checksums identify their contents, wherever the files are.
        checksums = dataset.split_list[part] if "split" in arguments else getattr(dataset, f"{part}_list")
        return load_or_decode(file_name(f"{name}-{part}", checksums), Path(root), lambda: load(arguments))

    train = read("train", which[0])
    return Source(train.class_names, train.images, HeldBack(lambda: read("test", which[1]).images), train.remark)


def _class(name: str) -> type[Any]:
    from torchvision import datasets

    found: type[Any] = getattr(datasets, name)
    return found


def _as_images(dataset: Any) -> Images:
    """Return the images of a torchvision data set: CIFAR keeps them as NHWC, SVHN as NCHW."""
    images = torch.from_numpy(np.asarray(dataset.data))
    labels = dataset.targets if hasattr(dataset, "targets") else dataset.labels
    images_NCHW = images if images.shape[1] == 3 else images.permute(0, 3, 1, 2)
    return Images(images_NCHW.contiguous(), torch.as_tensor(np.asarray(labels), dtype=torch.int64))


def _readable(load: Callable[[], Loaded], root: str) -> Loaded:
    """Return `load()`.

    Raises:
        FileNotFoundError: the files are not there, or not those that torchvision's checksums describe.
        ValueError: they are there and cannot be read.
    """
    try:
        return load()
    except RuntimeError as error:
        raise FileNotFoundError(f"{root}: {error}") from None
    except (pickle.UnpicklingError, EOFError, KeyError, tarfile.TarError, ValueError) as error:
        raise ValueError(f"{root}: a corrupt or truncated data file ({error}); delete it and get it again") from None


def _download(fetch: Callable[[], Loaded], name: str, root: str, *, download: bool, package: str | None = None) -> Loaded:
    """Return `fetch()`, which downloads.

    Raises:
        FileNotFoundError: downloading is not allowed or failed; the message says how to get the files.
    """
    reason = "data.download=false"
    if download:
        new = [folder for folder in (Path(root), *Path(root).parents) if not folder.exists()]
        try:
            return fetch()
        except (RuntimeError, OSError, urllib.error.URLError, tarfile.TarError, EOFError) as error:
            reason = f"the download failed: {_first_line(error)}"
        for folder in [*sorted(Path(root).rglob("*"), reverse=True), *new] if new else []:
            with suppress(OSError):  # a file, or a folder with what another process has downloaded
                folder.rmdir()
    ways = [f"put its files into data.root={root}"]
    ways += [f"install the Debian or Ubuntu package {package}"] if package else []
    ways += ["run with data.download=true where there is a network"]
    raise FileNotFoundError(
        f"data={name} is not in data.root={root} ({reason}): {', or '.join(ways)}; data=digits needs no files"
    ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
