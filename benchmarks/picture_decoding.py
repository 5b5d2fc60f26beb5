"""Pictures a second from JPEG files to a data set: ours, against torchvision's ImageFolder behind a DataLoader.

    python benchmarks/picture_decoding.py

Both sides read the same files, cut them to centred squares, resize them to 64 px, and take as many workers as the machine has
cores, in turn. Ours also hashes the files and writes the decoded set to disk, so that it is never decoded again.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from densenet_sweep.data.image_folder import image_folder

# As many workers as there are cores is what the comparison wants.
warnings.filterwarnings("ignore", "This DataLoader will create")


def main() -> None:
    """Write the pictures, run both sides in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured (5)")
    parser.add_argument("--pictures", type=int, default=2000, help="how many (2000)")
    parser.add_argument("--side", type=int, default=500, help="of their longer side in px (500)")
    parser.add_argument("--image-size", type=int, default=64, help="after resizing, in px (64)")
    arguments = parser.parse_args()
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), arguments.pictures, arguments.side)
        theirs(folder, arguments.image_size, workers)  # the files are in memory for both
        found = [
            (theirs(folder, arguments.image_size, workers), ours(folder, arguments.image_size)) for _ in range(arguments.rounds)
        ]
    print(
        f"{arguments.pictures} JPEGs of {arguments.side} px to {arguments.image_size} px, {workers} workers; "
        "pictures a second, by round"
    )
    for name, seconds in zip(("ImageFolder + DataLoader", "image_folder"), zip(*found, strict=True), strict=True):
        rates = [arguments.pictures / one for one in seconds]
        print(f"{name:<25} {statistics.median(rates):7.0f} ({', '.join(f'{rate:.0f}' for rate in rates)})")
    ratios = [one / other for one, other in found]
    print(f"{'ratio':<25} {statistics.median(ratios):7.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")


def write(folder: Path, count: int, side: int) -> None:
    """Write `count` JPEGs in two classes: noise of several scales, which compresses as photographs do."""
    generator = np.random.default_rng(0)
    for index in range(count):
        path = folder / f"class{index % 2}"
        path.mkdir(exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((side, 3 * side // 4))
        fine = generator.normal(0, 12, (3 * side // 4, side, 3))
        Image.fromarray((np.asarray(coarse) + fine).clip(0, 255).astype(np.uint8)).save(path / f"{index}.jpg", quality=85)


def ours(folder: str, image_size: int) -> float:
    """Return the seconds in which our data set decodes the pictures."""
    shutil.rmtree(Path(folder) / ".densenet_sweep", ignore_errors=True)
    began = time.perf_counter()
    source = image_folder(folder, image_size=image_size, num_channels=3, test_fraction=0.2, split_seed=0)
    seconds = time.perf_counter() - began
    assert not source.remark, source.remark
    return seconds


def theirs(folder: str, image_size: int, workers: int) -> float:
    """Return the seconds of one pass of a DataLoader over torchvision's data set."""
    shutil.rmtree(Path(folder) / ".densenet_sweep", ignore_errors=True)
    resized = transforms.Compose([transforms.Resize(image_size), transforms.CenterCrop(image_size), transforms.PILToTensor()])
    began = time.perf_counter()
    loader = DataLoader(datasets.ImageFolder(folder, resized), batch_size=64, num_workers=workers)
    count = sum(len(labels) for _, labels in loader)
    seconds = time.perf_counter() - began
    assert count == sum(1 for _ in Path(folder).glob("*/*.jpg"))
    return seconds


if __name__ == "__main__":
    main()
