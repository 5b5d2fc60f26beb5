"""Values as the text of an override that Hydra reads as exactly these values."""

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from hydra_async_sweeper.hydra_private import element_text


def override_text(value: Any) -> str:
    """Return what follows the equals sign: `null`, `true`, `[1,a]`; text in quotes where it would be read as something else."""
    if isinstance(value, QuotedString):
        return value.with_quotes()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Enum):  # of a dataclass
        return value.name
    if isinstance(value, Path):
        return _text(str(value))
    if isinstance(value, bytes):
        raise ValueError(f"{value!r}: an override holds no bytes")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{element_text(key)}:{override_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(override_text, value)) + "]"
    return element_text(value)


def choice_text(values: Sequence[Any]) -> str:
    """Return the sweep override that chooses among `values`; one null is no choice, but fixed."""
    texts = ",".join(map(override_text, values))
    return texts if None in values else f"choice({texts})"  # Hydra's choice(...) takes no null


def _text(value: str) -> str:
    text = element_text(value)
    parser = OverridesParser.create()
    for line, expected in ((f"x={text}", value), (f"x=[{text}]", [value])):
        try:
            [parsed] = parser.parse_overrides([line])
            is_kept = parsed.is_sweep_override() is False and parsed.value() == expected
        except HydraException:
            is_kept = False
        if not is_kept:
            return QuotedString(value, Quote.single).with_quotes()
    return text
