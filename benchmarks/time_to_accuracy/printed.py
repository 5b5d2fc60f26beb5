"""The line that each side prints after an epoch, from which `time_to_accuracy.py` reads it."""


def print_epoch(trial: int, epoch: int, epochs: int, accuracy: float, *, growth_rate: int, depth: int, lr: float) -> None:
    """Print a trial's validation accuracy after an epoch, and its configuration."""
    configuration = f"growth_rate={growth_rate} depth={depth} lr={lr}"
    print(f"trial {trial} epoch {epoch}/{epochs} accuracy {accuracy:.4f} {configuration}", flush=True)
