"""A user's own sections: an option file without a schema of ours brings the keys of its own `_target_`.

    # conf/optimizer/lion.yaml
    _target_: my_package.lion
    lr: 3e-4
    max_grad_norm: null
    betas: [0.9, 0.99]

The section needs the keys that every option of its group has, which are checked as usual, and may have others.
"""

import keyword
from dataclasses import field, fields, make_dataclass
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

from densenet_sweep.config.data_sections import LATER, DataConfig
from densenet_sweep.config.optimizer_schema import OptimizerConfig
from densenet_sweep.config.schema import ArchitectureConfig, ConfigError, LossConfig, ScheduleConfig

# The keys that the rest of the program needs, by group.
SECTIONS = {
    "architecture": ArchitectureConfig,
    "optimizer": OptimizerConfig,
    "schedule": ScheduleConfig,
    "loss": LossConfig,
    "data": DataConfig,
}


def give_schemas(job: DictConfig) -> None:
    """Give each section of `job` without a schema one made from its keys.

    Raises:
        ConfigError: a section is missing or no mapping, a key cannot be an argument, or a key of ours is missing.
        omegaconf.errors.ValidationError: a key of ours with a value of another type.
    """
    for name, schema in SECTIONS.items():
        if name not in job or OmegaConf.is_missing(job, name):
            raise ConfigError(f"{name}: has no value; {name}=OPTION is accepted")
        section = job[name]
        if not OmegaConf.is_dict(section):
            raise ConfigError(f"{name}={section}: an option of the group {name} is accepted")
        if OmegaConf.get_type(section) is dict:
            job[name] = _with_schema(name, schema, section)


def _with_schema(name: str, schema: type[Any], section: DictConfig) -> DictConfig:
    ours = [it.name for it in fields(schema)]
    needed = [it.name for it in fields(schema) if it.metadata != LATER]
    for key in needed:
        if key not in section:  # null is a value, and an override needs a key to set
            raise ConfigError(f"{name}.{key}: has no value; an option file of your own gives one to {', '.join(needed)}")
    own = [str(key) for key in section if key not in ours]
    for key in own:
        if not key.isidentifier() or keyword.iskeyword(key):
            raise ConfigError(f"{name}.{key}: the name of an argument is accepted")
    made = make_dataclass(f"Own{schema.__name__}", [(key, Any, field(default=MISSING)) for key in own], bases=(schema,))
    whole = OmegaConf.merge(OmegaConf.create({name: OmegaConf.structured(made)}), {name: section})  # errors name the whole key
    merged: DictConfig = OmegaConf.select(whole, name)
    return merged
