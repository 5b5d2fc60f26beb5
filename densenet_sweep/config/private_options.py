"""Options whose names begin with `_` are schemas and bases for other option files: they are named nowhere that options are."""

from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl


def hide() -> None:
    """Leave private options out of `--help` and of the shell's completion, for which Hydra (1.3, 1.4) has no setting."""
    if getattr(ConfigLoaderImpl.get_group_options, "hides_private", False):
        return
    listed = ConfigLoaderImpl.get_group_options

    def public_options(self: ConfigLoaderImpl, *arguments: Any, **options: Any) -> list[str]:
        return [name for name in listed(self, *arguments, **options) if not name.startswith("_")]

    public_options.hides_private = True  # type: ignore[attr-defined]
    ConfigLoaderImpl.get_group_options = public_options  # type: ignore[method-assign]
