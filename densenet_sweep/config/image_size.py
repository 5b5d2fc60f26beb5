"""How large images may be, and those of a rung."""

from densenet_sweep.architectures import geometry
from densenet_sweep.config.schema import Config, ConfigError
from densenet_sweep.picture_size import scaled

# Larger values are typing errors.
_MOST = 1_000_000


def check_image_size(config: Config) -> None:
    """Refuse what is neither a side nor height and width."""
    given = config.data.image_size
    pair = given if isinstance(given, list | tuple) else [given]
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in pair)
    if not whole or len(pair) not in (1, 2) or (len(pair) == 1 and pair is given):
        raise ConfigError(f"data.image_size={given}: a whole number of pixels or [height,width] is accepted")
    if min(pair) < 1:
        raise ConfigError(f"data.image_size={given}: a whole number of at least 1 is accepted")
    if max(pair) > _MOST:
        raise ConfigError(f"data.image_size={given}: a whole number of at most {_MOST:,} is accepted")


def check_rung_scale(config: Config, stem: str, num_blocks: int) -> None:
    """Refuse a scale at which a DenseNet would shrink a rung's images to nothing."""
    if not any(rung < config.epochs for rung in config.rungs):  # none is trained
        return
    try:
        geometry.check_image_size(scaled(config.data.image_size, config.rung_scale), stem, num_blocks)
    except ValueError as error:
        raise ConfigError(f"rung_scale={config.rung_scale:g}: a rung has {error}") from None
