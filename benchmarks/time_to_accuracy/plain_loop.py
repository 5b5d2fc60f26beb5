"""What the other sides train: torchvision's DenseNet-BC for small images, in a plain loop or in a careful one.

Needs torch and torchvision alone. The folder `$TIME_TO_ACCURACY` holds Fashion-MNIST and `split.pt`, the rows of both splits.
The careful loop trains at 28 px, or at `$TIME_TO_ACCURACY_IMAGE_SIZE`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
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


def loaders(*, careful: bool) -> tuple[DataLoader, DataLoader]:
    """Return the loaders of the training and of the validation images; a careful user keeps them in memory as tensors."""
    folder = Path(os.environ["TIME_TO_ACCURACY"])
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])
    dataset: Dataset = FashionMNIST(folder, transform=transform)
    if careful:
        images = (dataset.data[:, None] / 255 - MEAN) / DEVIATION
        if images.shape[-1] != IMAGE_SIZE:
            images = nn.functional.interpolate(images, (IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True)
        dataset = TensorDataset(images, dataset.targets)
    train, valid = (Subset(dataset, rows.tolist()) for rows in torch.load(folder / "split.pt"))
    return DataLoader(train, BATCH_SIZE, shuffle=True), DataLoader(valid, 250)


def train(growth_rate: int, depth: int, lr: float, *, epochs: int, seed: int, careful: bool) -> Iterator[float]:
    """Train with Nesterov's momentum and a cosine on one thread, and yield the validation accuracy after each epoch."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    memory_format = torch.channels_last if careful else torch.contiguous_format
    train_loader, valid_loader = loaders(careful=careful)
    network = densenet(growth_rate, depth).to(memory_format=memory_format)
    optimizer = torch.optim.SGD(network.parameters(), lr, momentum=0.9, weight_decay=1e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(train_loader))
    loss_function = nn.CrossEntropyLoss()
    for _ in range(epochs):
        network.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            with torch.autocast("cpu", DTYPE, enabled=careful and DTYPE is torch.bfloat16):
                loss = loss_function(network(images.to(memory_format=memory_format)), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
        network.eval()
        right = 0
        with torch.inference_mode(), torch.autocast("cpu", DTYPE, enabled=careful and DTYPE is torch.bfloat16):
            for images, labels in valid_loader:
                right += (network(images.to(memory_format=memory_format)).argmax(1) == labels).sum().item()
        yield right / len(valid_loader.dataset)
