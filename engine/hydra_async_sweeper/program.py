"""What the user typed: an installed command, a script or a module, and where its config is."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from hydra_async_sweeper.best_config import is_new_each_time, typed_overrides
from hydra_async_sweeper.readable import shown_path
from hydra_async_sweeper.space.override_text import override_text


def program() -> str:
    """Return it as a shell reads it: `python src/train.py`, `python -m package.module`, `command`."""
    typed = sys.argv[0]
    path = Path(typed)
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None and spec.name == "__main__":  # of a folder or an archive
        return f"python {shlex.quote(typed)}"
    if spec is not None and spec.origin is not None and path.resolve() == Path(spec.origin).resolve():
        return f"python -m {spec.name.removesuffix('.__main__')}"
    if path.name == "__main__.py":
        return f"python -m {shlex.quote(path.parent.name)}"
    if path.suffix == ".py":
        return f"python {shlex.quote(typed)}"
    found = shutil.which(path.name)
    return shlex.quote(path.name if found is not None and Path(found).resolve() == path.resolve() else typed)


def command(config: DictConfig, sweep_dir: Path) -> str:
    """Return the command that was typed, as it continues the sweep in `sweep_dir`, whose folder it may name by the time."""
    words = sys.argv[1:]
    if is_new_each_time(config, "hydra.sweep.dir"):
        typed = {*typed_overrides(config, "task"), *typed_overrides(config, "hydra")}
        words = [word for word in words if not (word in typed and word.startswith("hydra.sweep.dir="))]
        # Hydra 1.3 takes overrides in one place.
        place = next((index for index, word in enumerate(words) if word in typed), len(words))
        words.insert(place, f"hydra.sweep.dir={override_text(str(shown_path(sweep_dir)))}")
    return f"{program()} {shlex.join(words)}".strip()


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
