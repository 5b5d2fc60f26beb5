"""What the user typed: an installed command, a script or a module, and where its config is."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra_async_sweeper.space.override_text import override_text


def program() -> str:
    """Return it as a shell reads it: `python src/train.py`, `python -m package.module`, `command`."""
    typed = sys.argv[0]
    path = Path(typed)
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None and spec.origin is not None and path.resolve() == Path(spec.origin).resolve():
        return f"python -m {spec.name.removesuffix('.__main__')}"
    if path.name == "__main__.py":
        return f"python -m {shlex.quote(path.parent.name)}"
    if path.suffix == ".py":
        return f"python {shlex.quote(typed)}"
    is_relative = not path.is_absolute() and shutil.which(path.name) is None
    return shlex.quote(typed if is_relative else path.name)


def with_config_dir(folder: str, searchpath: Sequence[str] = ()) -> list[str]:
    """Return the arguments that read `folder` as `--config-dir` beside whatever config the user named.

    Hydra takes one `--config-dir`, so that a typed one joins the search path.

    Args:
        folder: to read.
        searchpath: the application's own `hydra.searchpath`.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-path", "-cp")
    parser.add_argument("--config-name", "-cn")
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--cfg", "-c")
    typed, _ = parser.parse_known_args(sys.argv[1:])
    arguments = []
    for option in ("config_path", "config_name"):
        if (value := getattr(typed, option)) is not None:
            arguments += [f"--{option.replace('_', '-')}", value]
    arguments += ["--config-dir", folder]
    if typed.config_dir is not None:
        folders = [*searchpath, f"file://{Path(typed.config_dir).resolve()}"]
        arguments.append(f"hydra.searchpath=[{','.join(map(override_text, folders))}]")
    return arguments
