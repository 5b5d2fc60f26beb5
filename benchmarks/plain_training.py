"""The baseline: two plain training loops, over pictures that are decoded one by one.

Owns the seed's network and loop as its text writes them, torchvision's DenseNets for the same images, and a plain loop in mixed
precision. Needs torch and torchvision alone.
"""

import time
import warnings
from collections.abc import Callable, Sequence

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

NUM_WORKERS = 4
# The text uses 4 processes on any machine.
warnings.filterwarnings("ignore", "This DataLoader will create")


class TextDenseBlock(nn.Module):
    """A dense block as the text writes it."""

    def __init__(self, num_convs: int, in_channels: int, growth_rate: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            *(_bn_relu_conv(in_channels + index * growth_rate, growth_rate, 3, 1) for index in range(num_convs))
        )

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the input with every layer's output appended."""
        for layer in self.net:
            images_BCHW = torch.cat((images_BCHW, layer(images_BCHW)), dim=1)
        return images_BCHW


def _bn_relu_conv(in_channels: int, out_channels: int, size: int, padding: int) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, size, padding=padding)
    return nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(), convolution)


def text_network() -> nn.Sequential:
    """Return the seed's net as its text writes it."""
    layers: list[nn.Module] = [
        nn.Conv2d(1, 64, 7, stride=2, padding=3),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    channels = 64
    for index in range(4):
        layers.append(TextDenseBlock(4, channels, 32))
        channels += 4 * 32
        if index < 3:
            layers += [_bn_relu_conv(channels, channels // 2, 1, 0), nn.AvgPool2d(2, stride=2)]
            channels //= 2
    layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(channels, 10)]
    return nn.Sequential(*layers)


def torchvision_network(growth_rate: int, block_config: Sequence[int], num_init_features: int, *, stem: str) -> nn.Module:
    """Return torchvision's DenseNet for grey images; its `small` stem is one 3x3 convolution, as usual for CIFAR."""
    network = torchvision.models.DenseNet(growth_rate, tuple(block_config), num_init_features, num_classes=10)
    if stem == "imagenet":
        network.features.conv0 = nn.Conv2d(1, num_init_features, 7, stride=2, padding=3, bias=False)
        return network
    network.features.conv0 = nn.Conv2d(1, num_init_features, 3, padding=1, bias=False)
    del network.features.norm0, network.features.relu0, network.features.pool0
    return network


class Pictures(Dataset[tuple[Tensor, int]]):
    """Grey images one by one through PIL, resized and turned into tensors, as torchvision's `FashionMNIST` with transforms."""

    def __init__(self, images_NCHW: Tensor, labels_N: Tensor, image_size: int) -> None:
        self._images_NHW = images_NCHW[:, 0].cpu()
        self._labels_N = labels_N.cpu()
        self._transform = transforms.Compose([transforms.Resize((image_size, image_size)), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self._labels_N)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self._images_NHW[index].numpy())
        return self._transform(picture), int(self._labels_N[index])


def text_images_per_second(network: nn.Module, pictures: Pictures, batch_size: int, device: torch.device) -> float:
    """Train one pass in the text's loop: fp32, contiguous, plain SGD, the loss read at each step for its plot."""
    network.to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    loss_function = nn.CrossEntropyLoss()

    def step(images_BCHW: Tensor, labels_B: Tensor) -> None:
        images_BCHW, labels_B = images_BCHW.to(device), labels_B.to(device)
        loss = loss_function(network(images_BCHW), labels_B)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    loader = DataLoader(pictures, batch_size, shuffle=True, num_workers=NUM_WORKERS)
    return _images_per_second(step, loader, pictures)


def amp_images_per_second(
    network: nn.Module, pictures: Pictures, batch_size: int, device: torch.device, dtype: torch.dtype
) -> float:
    """Train one pass in a plain loop in mixed precision, with SGD and momentum; on a GPU in fp16 with loss scaling.

    Args:
        network: fresh.
        pictures: N of them.
        batch_size: of a step.
        device: to train on.
        dtype: of a CPU's forward pass.
    """
    network.to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    loss_function = nn.CrossEntropyLoss()
    is_gpu = device.type == "cuda"
    scaler = torch.amp.GradScaler(device.type, enabled=is_gpu)
    half = torch.float16 if is_gpu else dtype

    def step(images_BCHW: Tensor, labels_B: Tensor) -> None:
        images_BCHW = images_BCHW.to(device, non_blocking=True)
        labels_B = labels_B.to(device, non_blocking=True)
        optimizer.zero_grad()
        with torch.autocast(device.type, dtype=half, enabled=half is not torch.float32):
            loss = loss_function(network(images_BCHW), labels_B)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        loss.item()

    loader = DataLoader(pictures, batch_size, shuffle=True, num_workers=NUM_WORKERS, pin_memory=is_gpu)
    return _images_per_second(step, loader, pictures)


def _images_per_second(
    step: Callable[[Tensor, Tensor], None], loader: DataLoader[tuple[Tensor, int]], pictures: Pictures
) -> float:
    """Time one pass, including the start of the loader's processes, after one warm-up step."""
    images, labels = zip(*(pictures[index] for index in range(min(len(pictures), loader.batch_size or 1))), strict=True)
    step(torch.stack(images), torch.tensor(labels))
    start = time.perf_counter()
    for images_BCHW, labels_B in loader:
        step(images_BCHW, labels_B)
    return len(pictures) / (time.perf_counter() - start)
