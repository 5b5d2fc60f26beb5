"""`densenet-sweep export STUDY|RUN|models:/... --to onnx|torch_export FILE`: a trained model as a file for other programs.

The file takes uint8 images of any number, height and width, and gives a probability for each class. It is read back and
compared with the original before it gets its name.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from densenet_sweep.commands.arguments import separated
from densenet_sweep.config.command_line import Parser
from densenet_sweep.counts import counted
from densenet_sweep.picture_size import sides
from densenet_sweep.tracking.access import mlflow_config

if TYPE_CHECKING:
    from densenet_sweep.models.classifier import Signature
    from densenet_sweep.models.exported import Predictor

# Largest accepted difference from the original's probabilities. Images of another size are resized, and another program may
# then round values halfway between two levels the other way: 0.0012 was measured for noise, 0.000003 without such values.
TOLERANCE = 1e-4
TOLERANCE_RESIZED = 1e-2

# Heights and widths of pictures as they come.
_OTHER_SIZES = ((28, 28), (32, 32), (97, 64), (224, 300))


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("export", __doc__)
    arguments.add_argument(
        "model", metavar="MODEL", help="a study (its champion or best trial), STUDY/TRIAL, a run's id, or models:/..."
    )
    arguments.add_argument("file", metavar="FILE", help="to write; one that exists is replaced")
    arguments.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="tracking.uri=..., as for a run")
    arguments.add_argument("--to", required=True, metavar="FORMAT", help="onnx or torch_export")
    arguments.add_argument("--config-dir", metavar="FOLDER", help="a further folder of config files, with options of your own")
    return arguments


def main(arguments: list[str]) -> None:
    """Write and check the requested file.

    Raises:
        ValueError, OSError: no such model, no weights, or a file that cannot be written or differs from the original.
    """
    parsed = parser().parse_intermixed_args(arguments)
    superfluous, overrides = separated(parsed.overrides)
    if superfluous:
        raise ValueError(f"{superfluous[0]}: one MODEL and one FILE are accepted, and overrides of the form key=value")
    path = Path(parsed.file)
    _check_format(parsed.to, path)
    tracking = mlflow_config(overrides, "export reads the model from MLflow, and")
    with _beside(path) as unfinished:
        from densenet_sweep.models import exported
        from densenet_sweep.models import named as models

        exported.check_packages(parsed.to)
        model = models.find(parsed.model, tracking.uri, overrides, config_dir=parsed.config_dir)
        exported.write(unfinished, model.export(), model.signature, parsed.to)
        signature, predictor = exported.read(unfinished)
        assert signature == model.signature
        report = _compared(model, predictor, signature, path)
    kind = {1: "grey", 3: "colour"}.get(signature.num_channels, f"{signature.num_channels}-channel")
    print(f"{path}: {model.origin}, {path.stat().st_size / 1e6:.2f} MB")
    print(f"in: uint8 images ({kind}) of any size; out: probabilities of {counted(len(signature.class_names), 'class')}")
    if signature.value_range is not None:
        low, high = signature.value_range
        print(f"values of pictures such as 16-bit ones become levels from {low:g} (0) to {high:g} (255), as its metadata says")
    print(report)


def _check_format(form: str, path: Path) -> None:
    """Refuse an unknown format, and a file name with another suffix."""
    suffixes = {"onnx": ".onnx", "torch_export": ".pt2"}
    if form not in suffixes:
        raise ValueError(f"--to {form}: one of {', '.join(suffixes)} is accepted")
    if path.suffix != suffixes[form]:
        raise ValueError(f"{path}: a name that ends with {suffixes[form]} is accepted for --to {form}")


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yield a temporary file name beside `path`; the file becomes `path` after the context, unless that fails.

    Raises:
        OSError: the folder cannot be written, before anything else.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; the name of a file is accepted")
    try:
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OSError(f"{path}: cannot be written ({error.strerror})") from None
    with folder:
        unfinished = Path(folder.name) / path.name
        yield unfinished
        unfinished.replace(path)


def _compared(original: "Predictor", predictor: "Predictor", signature: "Signature", path: Path) -> str:
    """Return a sentence on how far the file's probabilities are from the original's.

    Raises:
        ArithmeticError: they differ by more than a tolerance.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    height, width = sides(signature.image_size)

    def difference(sizes: Sequence[tuple[int, int, int]]) -> float:
        largest = 0.0
        for batch, height, width in sizes:
            noise_BCHW = torch.rand((batch, signature.num_channels, height, width), generator=generator) - 0.5
            # From full contrast to hardly any: a confident network hides small differences.
            contrast_B111 = torch.linspace(1, 0.1, batch).view(-1, 1, 1, 1)
            images_BCHW = (127.5 + 255 * contrast_B111 * noise_BCHW).round().to(torch.uint8)
            largest = max(largest, float((predictor(images_BCHW) - original(images_BCHW)).abs().max()))
        return largest

    words = []
    shown = f"of {height} px" if height == width else f"of {height}x{width} px"
    for what, tolerance, sizes in (
        (shown, TOLERANCE, [(1, height, width), (16, height, width)]),
        ("that are resized", TOLERANCE_RESIZED, [(8, *size) for size in _OTHER_SIZES]),
    ):
        found = difference(sizes)
        words.append(f"{found:.1g} for images {what} (at most {tolerance:g} is accepted)")
        if not found <= tolerance:  # NaN is refused, too
            raise ArithmeticError(f"{path}: not written, its probabilities differ from the original's by {words[-1]}")
    return "\n  ".join(["checked against the original, probabilities differ by", *words])
