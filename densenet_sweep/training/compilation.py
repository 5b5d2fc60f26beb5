"""`torch.compile` for the training step only: never a silent fallback to eager, and a report on whether it pays.

Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from densenet_sweep.counts import counted

# The first of these steps warms up; the others are timed.
_TIMED = 4


class Compiled(nn.Module):
    """A network whose training steps on full batches are compiled, once.

    The first few steps run eagerly and are timed; then the network is compiled, and the cost and gain are reported. The last,
    smaller batch of an epoch and evaluation always run eagerly: each would need its own compilation, tens of seconds long. A
    network that cannot be compiled as one graph is an error; so is a recompilation beyond torch's limit, where torch would
    silently continue in eager mode. The limit counts by source line, so a process's earlier networks are forgotten first.

    torch caches compiled code for later processes, in `TORCHINDUCTOR_CACHE_DIR`, or else in the machine's temporary folder.
    """

    def __init__(self, network: nn.Module, batch_size: int, *, num_steps: int, say: Callable[[str], object]) -> None:
        """Compile nothing yet.

        Args:
            network: maps images_BCHW to logits_BK.
            batch_size: of a full batch.
            num_steps: steps of the training, over which compilation must pay.
            say: receives once a sentence on whether it does.
        """
        super().__init__()
        torch._dynamo.reset()
        self.network = network
        self._batch_size = batch_size
        # In a list, so that its parameters are not counted twice.
        self._compiled = [torch.compile(network, fullgraph=True, dynamic=False)]
        self._account = _Account(num_steps, say)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        is_full = self.training and len(images_BCHW) == self._batch_size
        account, device = self._account, images_BCHW.device
        is_compiled = account.step_begins(device) if is_full else account.other_begins(device)
        logits_BK: Tensor = self._compiled[0](images_BCHW) if is_compiled else self.network(images_BCHW)
        return logits_BK


class _Account:
    """What compilation costs and saves, measured from the times at which steps begin and end."""

    def __init__(self, num_steps: int, say: Callable[[str], object]) -> None:
        self._num_steps = num_steps
        self._say = say
        self._seconds: list[float] = []  # of the steps that are over
        self._began: float | None = None  # the one that is not

    def step_begins(self, device: torch.device) -> bool:
        """Record the step, report once all timed steps are over, and return whether to run this step compiled."""
        self._end_step(device)
        if len(self._seconds) < 2 * _TIMED:
            self._began = time.perf_counter()
        return len(self._seconds) >= _TIMED

    def other_begins(self, device: torch.device) -> bool:
        """Record the end of the last step before an uncompiled pass (a smaller batch or validation); return False."""
        self._end_step(device)
        return False

    def _end_step(self, device: torch.device) -> None:
        if self._began is None:
            return
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        self._seconds.append(time.perf_counter() - self._began)
        self._began = None
        if len(self._seconds) == 2 * _TIMED:
            self._give()

    def _give(self) -> None:
        before = statistics.median(self._seconds[1:_TIMED])
        after = statistics.median(self._seconds[_TIMED + 1 :])
        cost = self._seconds[_TIMED] - after
        what = f"compile=true took {cost:.1f} s; a step takes {after:.3g} s instead of {before:.3g} s"
        if after >= before:
            self._say(f"{what}, so it does not pay")
            return
        needed = cost / (before - after)
        whether = "pays" if needed < self._num_steps else "does not pay"
        self._say(f"{what}, so it {whether} here: after {needed:.0f} of {counted(self._num_steps, 'step')}")
