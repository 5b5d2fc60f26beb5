import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study.names import check_study_name


@pytest.mark.parametrize(
    "name",
    [
        "toy",
        "growth_depth_lr-digits",
        "lr=0.1,depth=22",
        "2026-11-28_10-00-00",
        "my sweep",
        "größe",
        "v1.2+b@x~y",
        "a",
        "n" * 100,
    ],
)
def test_what_is_safe_in_a_folder_a_filter_and_a_url(name):
    check_study_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../../x", "/tmp/x", "a/b", "a\\b", "it's", 'a "b"', "a`b", "%2F", "p%20q", "a?b", "a#b", "a&b", "a;b",
        "a:b", ".hidden", "-x", "x.", "x ", " x", "a..b", "a\nb", "a\tb", "a\0b", "{x}", "${x}", "a*", "n" * 101,
        "study (locked)",
    ],
)  # fmt: skip
def test_any_other_name_is_refused(name):
    with pytest.raises(SweepError, match=r"^hydra\.sweeper\.study_name=.*: is no name of a study; letters, digits and _, and "):
        check_study_name(name)


def test_a_long_name_is_shown_in_part():
    with pytest.raises(SweepError, match=r"study_name=nnnnnnnnnnnnnnnnnnnn\.\.\. \(300 characters\): is no name of a study"):
        check_study_name("n" * 300)
