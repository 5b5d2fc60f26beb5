"""The section `hydra.sweeper` before Hydra makes a sweeper of it.

Imported at every start of every Hydra application in the environment, so it imports little.
"""

import functools
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_async_sweeper.peer.target import OURS


def check_resolved(section: DictConfig, *, throw_on_missing: bool = True) -> None:
    """Refuse an interpolation that cannot be resolved, and a value that is missing.

    Raises:
        SweepError: in one line, with the key.
    """
    from hydra_async_sweeper.errors import SweepError
    from hydra_async_sweeper.readable import one_line

    try:
        OmegaConf.to_container(section, resolve=True, throw_on_missing=throw_on_missing)
    except OmegaConfBaseException as error:
        raise SweepError(one_line(error)) from None


def check_before_hydra() -> None:
    """Have `check_resolved` check a section of ours before Hydra instantiates it.

    Hydra (1.3.2 to 1.4.0rc3) resolves a section before it calls the plugin's class, and prints a traceback where that fails. To
    be removed once Hydra's own message is readable.
    """
    instantiate = Plugins.instantiate_sweeper
    if hasattr(instantiate, "__wrapped__"):  # Hydra runs a plugin's module twice
        return

    @functools.wraps(instantiate)
    def checked(self: Plugins, **given: Any) -> Sweeper:
        section = given["config"].hydra.sweeper
        written: Any = OmegaConf.to_container(section, resolve=False) if OmegaConf.is_dict(section) else {}
        if written.get("_target_") == OURS:
            check_resolved(section)
        return instantiate(self, **given)

    Plugins.instantiate_sweeper = checked  # type: ignore[method-assign]
