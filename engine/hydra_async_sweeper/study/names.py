"""Valid names of a study: safe as a folder, in a filter and in a URL."""

import re

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.readable import counted

LONGEST = 100

# Letters of any alphabet, digits and _ at both ends, for a leading dash would be an option and a leading dot a hidden folder.
_NAME = re.compile(r"\w(?:[\w .,=+@~-]*\w)?")

ACCEPTED = f"letters, digits and _, and between them spaces and any of . , = + @ ~ -, at most {LONGEST} in all, are accepted"


def is_study_name(name: str) -> bool:
    """Return whether a new study may be called `name`."""
    return len(name) <= LONGEST and _NAME.fullmatch(name) is not None and ".." not in name


def check_study_name(name: str, key: str = "hydra.sweeper.study_name") -> None:
    """Refuse a name that is unsafe as a folder, in a filter or in a URL.

    Raises:
        SweepError: naming the key, the name and what is accepted.
    """
    if not is_study_name(name):
        shown = name if len(name) <= LONGEST else f"{name[:20]}... ({counted(len(name), 'character')})"
        shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in shown)
        raise SweepError(f"{key}={shown}: is no name of a study; {ACCEPTED}")
