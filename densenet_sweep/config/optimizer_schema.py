"""The schema of the section `optimizer`; as all of `schema.py`, it imports no torch."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class OptimizerConfig:
    """`lr` is the peak that the schedule scales; `max_grad_norm` clips the global 2-norm of the gradient."""

    _target_: str = MISSING
    lr: float = MISSING
    max_grad_norm: float | None = None

    @property
    def states_per_weight(self) -> int | None:
        """How many numbers the optimizer keeps for each weight, for estimates of memory; None where that is not known."""
        return None


@dataclass
class DecayConfig(OptimizerConfig):
    """Weight decay, of all weights or without norms and biases."""

    weight_decay: float = MISSING
    decay_norm_and_bias: bool = MISSING


@dataclass
class SGDConfig(DecayConfig):
    """Stochastic gradient descent, plain or with (Nesterov) momentum."""

    momentum: float = MISSING
    nesterov: bool = MISSING

    @property
    def states_per_weight(self) -> int:
        """The momentum, where there is one."""
        return int(self.momentum > 0)


@dataclass
class AdamWConfig(DecayConfig):
    """AdamW (Loshchilov and Hutter, 2019)."""

    betas: tuple[float, float] = MISSING
    eps: float = MISSING

    @property
    def states_per_weight(self) -> int:
        """Two moments."""
        return 2


@dataclass
class MuonConfig(DecayConfig):
    """Muon (Jordan et al., 2024) for kernels; `ns_steps` of its Newton-Schulz iteration."""

    momentum: float = MISSING
    ns_steps: int = MISSING

    @property
    def states_per_weight(self) -> int:
        """The momentum."""
        return 1
