"""What may stand in `hydra.sweeper._target_`: a config that still names hydra-optuna-sweeper would run that one in silence."""

from enum import StrEnum

_OURS = "hydra_plugins.hydra_async_sweeper.sweeper.AsyncOptunaSweeper"

# OmegaConf lists the names when it refuses another. Not in the plugin's module, which Hydra runs twice: a class that is not the
# one in `sys.modules` is pickled by value, which an enumeration does not survive.
Target = StrEnum(
    "Target",
    {
        "hydra_plugins.hydra_async_sweeper.sweeper.AsyncOptunaSweeper": _OURS,
        "nothing: remove _target_ from hydra.sweeper": _OURS,
    },
)
OURS = Target(_OURS)
