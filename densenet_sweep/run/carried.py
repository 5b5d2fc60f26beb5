"""Thresholds that a final run, which has no validation images, takes from the run that it repeats. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

# Where the thresholds of a run that is not final come from.
OWN = "its own validation images"

_MOST_NAMES = 5


@dataclass(frozen=True)
class Carried:
    """Thresholds by the outputs, and the images that they were chosen on, in words; of None, the reason for it."""

    values: tuple[float, ...] | None
    origin: str

    def line(self, class_names: Sequence[str], *, is_multi_label: bool) -> str:
        """Return a sentence for the log; empty where a network of such classes has no thresholds."""
        if not is_multi_label and len(class_names) != 2:
            return ""
        if self.values is None:
            return f"no thresholds{', and labels are reported at 0.5' if is_multi_label else ''}: {self.origin}"
        pairs = list(zip(class_names, self.values, strict=False))[0 if is_multi_label else 1 :]
        shown = ", ".join(f"{name} {value:.4f}" for name, value in pairs[:_MOST_NAMES])
        more = f" and {len(pairs) - _MOST_NAMES} more" if len(pairs) > _MOST_NAMES else ""
        return f"thresholds chosen on {self.origin}: {shown}{more}"


# Of a final run that repeats nothing.
NONE = Carried(None, "this final run repeats no run that has chosen some; those of confirm do")
