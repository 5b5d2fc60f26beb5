"""Batches of images that are not in the memory of the device: read ahead by a thread, and sent from pinned memory.

Shape suffixes: B images in a batch, C channels, H height, W width.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from densenet_sweep.data.images import Images

# So many batches are read while one is computed.
_AHEAD = 3

# Of a GPU's free memory, images may take this share; the rest is for training.
_SHARE = 0.5


def stays_behind(num_bytes: int, device: torch.device, wanted: str | bool) -> bool:
    """Return whether images of `num_bytes` are to be streamed to `device`, as `data.on_device` says."""
    if device.type == "cpu" or wanted is True:
        return False
    if wanted is False:
        return True
    if device.type != "cuda":  # a Mac's GPU shares the memory of its processor
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return num_bytes > _SHARE * free


def batches(images: Images, chosen: Iterable[slice | Tensor], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images_BCHW of uint8, labels_B) on `device` for each of `chosen`, which index the images where these are."""
    if images.labels_N.device.type == device.type:
        for rows in chosen:
            yield images.pixels(rows), images.labels_N[rows]
        return
    yield from streamed(images, chosen, device)


def streamed(images: Images, chosen: Iterable[slice | Tensor], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the same as `batches`, read ahead from where the images are."""
    pins = device.type == "cuda"

    def read(rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        found = images.pixels(rows), images.labels_N[rows]
        return (found[0].pin_memory(), found[1].pin_memory()) if pins else found

    waiting: deque[Future[tuple[Tensor, Tensor]]] = deque()
    with ThreadPoolExecutor(1) as thread:  # indexing copies outside Python's lock
        try:
            for rows in chosen:
                waiting.append(thread.submit(read, rows))
                if len(waiting) > _AHEAD:
                    yield _sent(waiting.popleft().result(), device)
            while waiting:
                yield _sent(waiting.popleft().result(), device)
        finally:  # an epoch may end early
            for future in waiting:
                future.cancel()


def _sent(batch: tuple[Tensor, Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    return batch[0].to(device, non_blocking=True), batch[1].to(device, non_blocking=True)
