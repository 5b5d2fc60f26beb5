"""The ranges of the section `data.augment`, and what it must have for `test_time_flip`."""

from densenet_sweep.config.data_sections import DataConfig
from densenet_sweep.config.finetuning import weights_name
from densenet_sweep.config.schema import Config, ConfigError
from densenet_sweep.picture_size import sides

# What a key accepts at least and at most.
_RANGES = {
    "crop_area": (0.01, 1.0),
    "crop_aspect": (1.0, 10.0),
    "rotation": (0.0, 180.0),
    "translation": (0.0, 1.0),
    "scaling": (0.0, 0.9),
    "shear": (0.0, 80.0),
    "trivial_augment": (0.0, 1.0),
    "brightness": (0.0, 1.0),
    "contrast": (0.0, 1.0),
    "saturation": (0.0, 1.0),
    "hue": (0.0, 0.5),
    "erasing": (0.0, 1.0),
    "erasing_area": (0.01, 1.0),
    "mixup": (0.0, 100.0),
    "cutmix": (0.0, 100.0),
}
_OF_COLOUR = ("saturation", "hue")


def check_augmentation(data: DataConfig) -> None:
    """Refuse values out of range, and changes of colours where there are none.

    Raises:
        ConfigError: naming the key, the value and what is accepted.
    """
    augment = data.augment
    for key, most in (("crop_padding", min(sides(data.image_size))), ("cutout_size", 2 * max(sides(data.image_size)))):
        value = getattr(augment, key)
        if value < 0:
            raise ConfigError(f"data.augment.{key}={value}: a whole number of at least 0 is accepted")
        if value > most:
            raise ConfigError(f"data.augment.{key}={value}: a whole number of at most {most:,} is accepted")
    if augment.horizontal_flip not in (False, True, "alternating"):
        raise ConfigError(
            f"data.augment.horizontal_flip={augment.horizontal_flip}: one of false, true, alternating is accepted"
        )
    for key, (low, high) in _RANGES.items():
        value = getattr(augment, key)
        if not low <= value <= high:
            raise ConfigError(f"data.augment.{key}={value:g}: a number at least {low:g} and at most {high:g} is accepted")
    for key in _OF_COLOUR:
        if getattr(augment, key) and data.num_channels != 3:
            raise ConfigError(
                f"data.augment.{key}={getattr(augment, key):g} needs colours, data.num_channels=3, which is {data.num_channels}"
            )


def remark_on_test_time_flip(config: Config) -> str | None:
    """Return what speaks against `test_time_flip`: a network that never saw mirror images often classifies them worse.

    What weights to start from were trained on is not known.
    """
    if not config.test_time_flip or config.data.augment.horizontal_flip or weights_name(config.architecture) is not None:
        return None
    return (
        "test_time_flip=true without data.augment.horizontal_flip=true: the network is evaluated on mirror images, which it is "
        "not trained on, and often loses accuracy by it"
    )
