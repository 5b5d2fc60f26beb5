"""The images that a study was validated on; accuracies on other images, or in another size, do not compare."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra_async_sweeper.application import MOVED_TARGETS

from densenet_sweep.results.study import Study

# Config keys that determine the validation images and their size, and the words for them.
_WORDS = {
    "data._target_": "data sets",
    "data.image_size": "image sizes",
    "data.num_channels": "numbers of channels",
    "data.valid_fraction": "splits",
    "data.test_fraction": "splits",
    "data.split_seed": "splits",
    "data.group_column": "splits",
    "data.folds": "splits",
    **dict.fromkeys(
        ("data.resize", "data.background", "data.value_range", "data.on_bad_picture"),
        "ways to read pictures",
    ),
}
_NUM_VALID = "num_valid"

# Another value of these changes the images themselves.
_IMAGES = ("data", "data.valid_fraction", "data.test_fraction", "data.split_seed", "data.folds")


def basis(study: Study) -> dict[str, Any]:
    """Return by key what is known about the validation images of a study's trials, and their size.

    Besides values of the config it has `num_valid`, the largest number of images of a complete trial.
    """
    found = {key: MOVED_TARGETS.get(value, value) for key in _WORDS if (value := study.config.get(key)) is not None}
    counts = [trial.num_valid for trial in study.complete if trial.num_valid]
    return {**found, **({_NUM_VALID: max(counts)} if counts else {})}


def alike(studies: Sequence[Study]) -> list[list[Study]]:
    """Return the studies, grouped by validation images and size; a missing key matches any value."""
    groups: list[tuple[dict[str, Any], list[Study]]] = []
    for study in studies:
        own = basis(study)
        for shared, members in groups:
            if not _differing(shared, own):
                members.append(study)
                shared.update(own)
                break
        else:
            groups.append((own, [study]))
    return [members for _, members in groups]


def differences(studies: Sequence[Study]) -> list[str]:
    """Return what differs between the studies, in words, such as "data sets"."""
    bases = [basis(study) for study in studies]
    keys = {key for one in bases for other in bases for key in _differing(one, other)}
    words = dict.fromkeys(word for key, word in _WORDS.items() if key in keys)
    return [*words] or (["numbers of validation images"] if keys else [])


def searched(study: Study) -> list[str]:
    """Return the searched parameters that change the validation images, so that the study's own trials do not compare."""
    return [name for name in study.parameters if name in _IMAGES]


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [key for key, value in one.items() if other.get(key, value) != value]
