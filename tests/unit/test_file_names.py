import os

import pytest

from densenet_sweep.file_names import is_readable, readable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Äpfel 日本/a\u00a0b (1).png", None),
        (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
        ("two\nlines\t.png", r"two\nlines\t.png"),
        ("line\u2028end", r"line\u2028end"),
    ],
)
def test_what_fits_into_no_line_is_escaped(name, shown):
    assert readable(name) == (shown or name)
    assert is_readable(name) == (shown is None)
    readable(name).encode("utf-8")
