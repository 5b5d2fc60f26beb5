"""What the user typed before the arguments: an installed command, a script or a module."""

import shlex
import shutil
import sys
from pathlib import Path


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
