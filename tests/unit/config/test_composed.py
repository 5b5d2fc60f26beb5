"""Every option gives what it gave before: a refactoring of `conf/` changes where a value stands, never what is composed.

`composed.json` holds the composed values of the defaults and, for each option of a group, those that differ from them. Where a
change is meant, `python tests/unit/config/test_composed.py` writes it anew, and the difference belongs into the commit.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from densenet_sweep.config import composition

RECORDED = Path(__file__).with_name("composed.json")
CONF = composition.config_folder()
OPTIONS = sorted(f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml") if not path.stem.startswith("_"))
# Of Hydra's own part, what a sweep file says.
OF_HYDRA = ("mode", "sweep", "sweeper", "launcher")


def composed(*overrides: str) -> dict[str, Any]:
    """Return the composed values by their keys, interpolations as they are written."""
    composition.register()
    with initialize_config_dir(config_dir=str(CONF), **composition.VERSION_BASE):
        whole = compose("config", overrides=list(overrides), return_hydra_config=True)
    config = OmegaConf.to_container(whole, resolve=False, enum_to_str=True)
    assert isinstance(config, dict)
    hydra = {key: value for key, value in config.pop("hydra").items() if key in OF_HYDRA}
    return dict(flat({**config, "hydra": hydra}, ""))


def flat(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from flat(value, f"{path}/{key}" if path else key)
    else:
        yield path, node


def difference(option: str, defaults: dict[str, Any]) -> dict[str, Any]:
    found = composed(option)
    changed = {key: value for key, value in found.items() if key not in defaults or defaults[key] != value}
    gone = sorted(defaults.keys() - found.keys())
    return {**changed, "gone": gone} if gone else changed


@pytest.fixture(scope="module")
def recorded() -> dict[str, dict[str, Any]]:
    return json.loads(RECORDED.read_text(encoding="utf-8"))


def test_every_option_is_recorded(recorded):
    assert set(recorded) == {"defaults", *OPTIONS}


def test_the_defaults_are_those_recorded(recorded):
    assert composed() == recorded["defaults"]


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_gives_what_is_recorded(option, recorded):
    assert difference(option, recorded["defaults"]) == recorded[option]


if __name__ == "__main__":
    defaults = composed()
    everything = {"defaults": defaults, **{option: difference(option, defaults) for option in OPTIONS}}
    RECORDED.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
