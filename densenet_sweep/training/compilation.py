"""`torch.compile` for the training step alone: never a silent return to eager, and an account of whether it pays.

Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

# Steps of which the first warms up and the others are timed.
_TIMED = 4


class Compiled(nn.Module):
    """A network whose training steps on full batches are compiled, once.

    The first few steps run eagerly, to be timed; then it is compiled, and what that took and gave is said. The last,
    smaller batch of an epoch and evaluation run eagerly always: each would be compiled anew, at a cost of tens of seconds.
    What cannot be compiled as one graph is an error; so is a further recompilation beyond torch's limit, where it would go on
    eagerly without a word. The limit counts by source line, hence a process's earlier networks are forgotten first.

    torch keeps what was compiled for later processes, in `TORCHINDUCTOR_CACHE_DIR`, or else in the machine's temporary folder.
    """

    def __init__(self, network: nn.Module, batch_size: int, *, num_steps: int, say: Callable[[str], object]) -> None:
        """Compile nothing yet.

        Args:
            network: maps images_BCHW to logits_BK.
            batch_size: of a full batch.
            num_steps: how many there will be to win back the time in.
            say: is told once, in a sentence, whether that is enough.
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
        is_compiled = self._account.step_begins(images_BCHW.device) if is_full else self._account.pauses()
        logits_BK: Tensor = self._compiled[0](images_BCHW) if is_compiled else self.network(images_BCHW)
        return logits_BK


class _Account:
    """What compilation costs and saves, by the times at which steps begin."""

    def __init__(self, num_steps: int, say: Callable[[str], object]) -> None:
        self._num_steps = num_steps
        self._say = say
        self._begun = 0
        self._before: float | None = None
        self._seconds: dict[int, float] = {}  # of the steps that another one followed at once, by their place

    def step_begins(self, device: torch.device) -> bool:
        """Note it, give the account when there is one, and tell whether the step is to be compiled."""
        place = self._begun
        self._begun += 1
        if place > 2 * _TIMED:
            return True
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        now = time.perf_counter()
        if self._before is not None:
            self._seconds[place - 1] = now - self._before
        self._before = now
        if place == 2 * _TIMED:
            self._give()
        return place >= _TIMED

    def pauses(self) -> bool:
        """Note that something else comes between two steps; it is not compiled."""
        self._before = None
        return False

    def _give(self) -> None:
        eager = [seconds for place, seconds in self._seconds.items() if 0 < place < _TIMED]
        compiled = [seconds for place, seconds in self._seconds.items() if place > _TIMED]
        if not eager or not compiled or _TIMED not in self._seconds:
            return
        before, after = statistics.median(eager), statistics.median(compiled)
        cost = self._seconds[_TIMED] - after
        what = f"compile=true took {cost:.1f} s; a step takes {after:.3g} s instead of {before:.3g} s"
        if after >= before:
            self._say(f"{what}, so it does not pay")
            return
        needed = cost / (before - after)
        whether = "pays" if needed < self._num_steps else "does not pay"
        self._say(f"{what}, so it {whether} here: after {needed:.0f} of {self._num_steps} steps")
