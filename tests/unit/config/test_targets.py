"""A `_target_` names a function of ours, in the section that it is for, or one that the user trusts."""

import re

import pytest

from densenet_sweep.config import composition
from densenet_sweep.config.schema import ConfigError


@pytest.mark.parametrize(
    "override",
    [
        "optimizer._target_=os.system",
        "optimizer._target_=builtins.eval",
        "architecture._target_=densenet_sweep.run.train.os.system",
        "data._target_=densenet_sweep.data.sources.torch.load",
        "data._target_=densenet_sweep.run.train.train",
        "architecture._target_=densenet_sweep.architectures.densenet.Tensor",  # which that module imports
        "schedule._target_=densenet_sweep.training.optimizers.sgd",  # another section's
        "tracking._target_=subprocess.run",
        "optimizer._target_=densenet_sweep_evil.training.optimizers.sgd",
        "optimizer._target_=system",
    ],
)
def test_any_other_function_is_refused(override):
    line = re.escape(f"{override}: is neither ours nor trusted; trusted_targets=[")
    with pytest.raises(ConfigError, match=f"^{line}"):
        composition.typed(composition.compose([override]))


@pytest.mark.parametrize(
    ("pattern", "is_trusted"),
    [
        ("json.*", True),
        ("json.decoder.*", True),
        ("json.decoder.JSONDecoder", True),
        ("json.decoder.JSON", False),
        ("json", False),
        ("jso.*", False),
    ],
)
def test_the_user_trusts_modules_and_functions(pattern, is_trusted):
    composed = composition.compose(["optimizer._target_=json.decoder.JSONDecoder", f"trusted_targets=[{pattern}]"])
    if is_trusted:
        assert composition.typed(composed).optimizer._target_ == "json.decoder.JSONDecoder"
        return
    with pytest.raises(ConfigError, match="neither ours nor trusted"):
        composition.typed(composed)


@pytest.mark.parametrize("pattern", ["*", "", "a..b", "my package", "a.*.b", "*.a"])
def test_trust_names_a_package(pattern):
    with pytest.raises(ConfigError, match=f"^trusted_targets={re.escape(pattern)}: modules such as my_package"):
        composition.typed(composition.compose([f"trusted_targets=['{pattern}']"]))


def test_a_trusted_package_that_is_not_there_is_named():
    overrides = ["optimizer._target_=nowhere_to_be.found", "trusted_targets=[nowhere_to_be.*]"]
    with pytest.raises(ConfigError, match=r"no module nowhere_to_be is installed or on PYTHONPATH$"):
        composition.typed(composition.compose(overrides))
