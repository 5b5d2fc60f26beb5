"""What the other sides train: torchvision's DenseNet-BC for small images, in a plain loop or in a careful one.

Needs torch and torchvision alone. The folder `$TIME_TO_ACCURACY` holds Fashion-MNIST's training images, `split.pt`, the rows of
both splits, and `test.pt`, the test images, which only `winner.py` reads.
The careful loop trains at 28 px, or at `$TIME_TO_ACCURACY_IMAGE_SIZE`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
from torchvision import transforms
from torchvision.datasets import FashionMNIST
from torchvision.models import DenseNet

BATCH_SIZE = 64
IMAGE_SIZE = int(os.environ.get("TIME_TO_ACCURACY_IMAGE_SIZE", "28"))
MEAN, DEVIATION = 0.2860, 0.3530
# bf16 pays where the processor computes in it; elsewhere it is emulated, and slower than fp32.
DTYPE = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def densenet(growth_rate: int, depth: int) -> DenseNet:
    """Return a DenseNet-BC of three blocks for grey images of 28 px, with a stem of one 3x3 convolution."""
    network = DenseNet(growth_rate, ((depth - 4) // 6,) * 3, 2 * growth_rate, num_classes=10)
    network.features.conv0 = nn.Conv2d(1, 2 * growth_rate, 3, padding=1, bias=False)
    del network.features.norm0, network.features.relu0, network.features.pool0
    return network


def loaders(*, careful: bool, final: bool = False) -> tuple[DataLoader, DataLoader]:
    """Return the loaders of the training and of the validation images; a careful user keeps them in memory as tensors.

    With `final`, the first loads both, and the second the test images.
    """
    folder = Path(os.environ["TIME_TO_ACCURACY"])
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])
    dataset: Dataset = FashionMNIST(folder, transform=transform)
    if careful:
        dataset = TensorDataset(prepared(dataset.data), dataset.targets)
    rows = torch.load(folder / "split.pt")
    if final:
        pixels, labels = torch.load(folder / "test.pt")
        train, evaluated = Subset(dataset, torch.cat(rows).tolist()), TensorDataset(prepared(pixels), labels)
    else:
        train, evaluated = (Subset(dataset, part.tolist()) for part in rows)
    return DataLoader(train, BATCH_SIZE, shuffle=True), DataLoader(evaluated, 250)


def prepared(pixels: Tensor) -> Tensor:
    """Return normalised images (N, 1, height, width) of bytes (N, 28, 28)."""
    images = (pixels[:, None] / 255 - MEAN) / DEVIATION
    if images.shape[-1] != IMAGE_SIZE:
        images = nn.functional.interpolate(images, (IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True)
    return images


def train(
    growth_rate: int, depth: int, lr: float, *, epochs: int, seed: int, careful: bool, final: bool = False
) -> Iterator[float]:
    """Train with Nesterov's momentum and a cosine on one thread, and yield the validation accuracy after each epoch.

    With `final`, train on both splits, and yield the test accuracy after the last epoch.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    memory_format = torch.channels_last if careful else torch.contiguous_format
    train_loader, valid_loader = loaders(careful=careful, final=final)
    network = densenet(growth_rate, depth).to(memory_format=memory_format)
    optimizer = torch.optim.SGD(network.parameters(), lr, momentum=0.9, weight_decay=1e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(train_loader))
    loss_function = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        network.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            with torch.autocast("cpu", DTYPE, enabled=careful and DTYPE is torch.bfloat16):
                loss = loss_function(network(images.to(memory_format=memory_format)), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
        if final and epoch + 1 < epochs:
            continue
        network.eval()
        right = 0
        with torch.inference_mode(), torch.autocast("cpu", DTYPE, enabled=careful and DTYPE is torch.bfloat16):
            for images, labels in valid_loader:
                right += (network(images.to(memory_format=memory_format)).argmax(1) == labels).sum().item()
        yield right / len(valid_loader.dataset)
