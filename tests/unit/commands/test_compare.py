"""Options of `compare` that do not go together are refused before anything is read."""

import pytest

from densenet_sweep.commands import compare


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--live", "--html", "it.html"], "--live serves the report: it takes no --html"),
        (["--live", "--html", "a", "--format", "md"], "--live serves the report: it takes no --html and no --format"),
        (["--port", "80"], "--port 80: is of --live, which serves the report"),
        (["--live", "--port", "70000"], "--port 70000: a whole number from 1 to 65535 is accepted"),
        (["--live", "--top", "0"], "--top 0: a whole number of at least 1 is accepted"),
    ],
)
def test_options_that_do_not_go_together(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        compare.main(arguments)
