import pytest
from hydra.errors import MissingConfigException
from hydra_async_sweeper.readable import counted
from omegaconf import OmegaConf

from densenet_sweep.config import composition, errors


def message(*overrides: str) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - Hydra's own kinds
        composition.typed(composition.compose(overrides))
    return errors.one_line(caught.value)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError(), "RuntimeError"),
        (OSError(28, "No space left on device", "/full/file"), "/full/file: No space left on device"),
        (FileNotFoundError("no data: do this"), "no data: do this"),
    ],
)
def test_an_error_is_one_line(error, line):
    assert errors.one_line(error) == line


@pytest.mark.parametrize(("number", "text"), [(0, "0 trials"), (1, "1 trial"), (2, "2 trials"), (1000, "1,000 trials")])
def test_a_count_and_its_noun_agree(number, text):
    assert counted(number, "trial") == text


def test_did_you_mean_says_nothing_about_a_stranger():
    assert errors.did_you_mean("compra", ["compare", "ui"]) == "; did you mean compare?"
    assert errors.did_you_mean("xyzzy", ["compare", "ui"]) == ""


def test_an_unknown_key_lists_what_its_section_accepts():
    line = message("schedule=step", "schedule.milestone=[0.5]")
    assert line == "unknown key schedule.milestone; did you mean milestones?; schedule accepts milestones, gamma"


def test_an_unknown_option_lists_the_existing_ones():
    assert message("schedule=cosin") == (
        "schedule=cosin: no such option; did you mean cosine?; one of constant, cosine, linear, one_cycle, step is accepted"
    )


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("rungs={a:1}", "rungs={a:1}: a list such as [A,B] is accepted"),
        ("rungs=1", "rungs=1: a list such as [A,B] is accepted"),
        ("data.augment=[1]", "data.augment=[1]: values for crop_padding, horizontal_flip, cutout_size, "),
        ("optimizer.lr=[1]", "optimizer.lr=[1]: a number is accepted"),
        ("epochs=ten", "epochs=ten: a whole number is accepted"),
        ("seed=", "seed=: a whole number is accepted"),
        ("compile=often", "compile=often: true or false is accepted"),
        ("device={a:1}", "device={a:1}: a text is accepted"),
        ("epochs", "epochs: key=value in Hydra's grammar is accepted, with quotes around special characters (missing EQUAL at"),
    ],
)
def test_another_kind_of_value_is_told_what_is_accepted(override, line):
    assert message(override).startswith(line)


def test_an_unknown_group_is_named():
    assert "archtecture" in message("archtecture=densenet")


def test_a_missing_interpolation_is_one_line():
    broken = OmegaConf.create({"a": "${b}"})
    with pytest.raises(Exception) as caught:  # noqa: PT011
        OmegaConf.to_container(broken, resolve=True)
    assert "\n" not in errors.one_line(caught.value)
    assert "b" in errors.one_line(caught.value)


def test_a_launcher_that_is_not_installed_names_our_extra():
    error = MissingConfigException("no", "hydra/launcher/submitit_slurm", ["basic", "local"])
    assert errors.one_line(error) == "hydra/launcher=submitit_slurm: is not installed; pip install 'densenet-sweep[slurm]'"
