"""Where the config files are, and the names of their groups."""

from pathlib import Path


def config_folder() -> Path:
    """Return the folder of the config files: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def groups() -> list[str]:
    """Return the names of our config groups, such as `optimizer`."""
    return sorted(folder.name for folder in config_folder().iterdir() if folder.is_dir())
