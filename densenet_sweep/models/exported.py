"""Models in files that need none of this package's code: ONNX and torch.export, written and read."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from hydra_async_sweeper.readable import first_line
from torch import Tensor, nn

from densenet_sweep.checksum import check_archive
from densenet_sweep.models.classifier import Signature
from densenet_sweep.tracking.quiet import quietly

# By format: the suffix of its files, and the packages that it needs besides torch.
FORMATS = {"onnx": (".onnx", ("onnx", "onnxruntime", "onnxscript")), "torch_export": (".pt2", ())}

_INPUT = "images"
_OUTPUT = "probabilities"

# Maps images_BCHW of uint8 to probabilities_BK.
Predictor = Callable[[Tensor], Tensor]


def check_packages(form: str) -> None:
    """Refuse the format if its packages are not installed.

    Raises:
        ValueError: names the missing ones.
    """
    missing = [name for name in FORMATS[form][1] if find_spec(name) is None]
    if missing:
        raise ValueError(f"{form}: needs {', '.join(missing)}; pip install 'densenet-sweep[export]' installs what it needs")


def write(path: Path, program: torch.export.ExportedProgram, signature: Signature, form: str) -> None:
    """Write `program` to `path` in the format `form`, with its signature as metadata.

    Raises:
        OSError: it cannot be written.
    """
    with quietly():
        if form == "torch_export":
            torch.export.save(program, path, extra_files=signature.as_texts())
            return
        made: Any = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=[_INPUT],
            output_names=[_OUTPUT],
            dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
            verbose=False,
        )
        made.model.metadata_props.update(signature.as_texts())
        made.save(path)


def read(path: Path) -> tuple[Signature, Predictor]:
    """Return the signature and the model of a file by `write`; the suffix of `path` gives the format.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds something else, or its format needs packages that are not installed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    reader = _read_onnx if path.suffix == FORMATS["onnx"][0] else _read_torch_export
    texts, predictor = reader(path)
    try:
        return Signature.from_texts(texts), predictor
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def is_exported(name: str) -> bool:
    """Return whether `name` has the suffix of an exported file."""
    return Path(name).suffix in {suffix for suffix, _ in FORMATS.values()}


def read_module(path: Path) -> nn.Module:
    """Return the graph in a file by `write`, which takes gradients.

    Raises:
        ValueError: it is an ONNX file, which has none, or cannot be read.
    """
    if path.suffix == FORMATS["onnx"][0]:
        raise ValueError(f"{path}: an ONNX file has no gradients; a .pt2 file, a run or a registered model is accepted here")
    return _loaded(path, {})


def _loaded(path: Path, texts: dict[str, str]) -> nn.Module:
    """Return the module of a file of torch.export, and fill in its `texts`."""
    with quietly():
        try:
            with path.open("rb") as file:
                check_archive(file)
            module: nn.Module = torch.export.load(path, extra_files=texts).module()
        except Exception as error:  # a broken archive may raise anything
            raise ValueError(f"{path}: not a readable file of torch.export ({first_line(error)})") from None
    return module


def _read_torch_export(path: Path) -> tuple[dict[str, str], Predictor]:
    texts = dict.fromkeys(Signature(1, 1, ()).as_texts(), "")
    module = _loaded(path, texts)

    def predict(images_BCHW: Tensor) -> Tensor:
        with torch.inference_mode():
            probabilities_BK: Tensor = module(images_BCHW)
        return probabilities_BK

    return texts, predict


def _read_onnx(path: Path) -> tuple[dict[str, str], Predictor]:
    check_packages("onnx")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions are not public
        raise ValueError(f"{path}: not a readable ONNX file ({first_line(error)})") from None

    def predict(images_BCHW: Tensor) -> Tensor:
        [probabilities_BK] = session.run([_OUTPUT], {_INPUT: images_BCHW.numpy()})
        return torch.from_numpy(probabilities_BK)

    return dict(session.get_modelmeta().custom_metadata_map), predict
