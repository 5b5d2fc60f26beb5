import pytest

from densenet_sweep.run.naming import summary

CHOICES = {"architecture": "densenet_bc", "optimizer": "sgd", "data": "digits"}
VALUES = {"architecture": {"depth": 16, "growth_rate": 12}, "optimizer": {"lr": 0.2}}


def named(*overrides: str, choices: dict[str, str] | None = None, lr: float = 0.2) -> str:
    return summary(CHOICES | (choices or {}), {**VALUES, "optimizer": {"lr": lr}}, overrides)


def test_a_run_is_named_by_its_network_and_learning_rate():
    assert named("data=digits", "architecture.depth=16", "tracking.uri=sqlite:///x.db") == "bc L16 k12 lr .2"


@pytest.mark.parametrize(("lr", "shown"), [(0.156515, ".157"), (1.0, "1"), (1e-5, "1e-05"), (0.05, ".05")])
def test_the_learning_rate_has_three_digits(lr, shown):
    assert named(lr=lr).endswith(f" lr {shown}")


def test_what_else_was_searched_is_named_the_last_first():
    assert named("epochs=3", "optimizer=sgd", "optimizer.momentum=0.91234") == "bc L16 k12 lr .2 momentum .912 sgd epochs 3"


def test_a_long_name_is_cut_between_words():
    name = named(*(f"my.key_{number}=value" for number in range(20)))
    assert len(name) <= 70
    assert name.endswith("value")
    assert "key_19 value" in name


@pytest.mark.parametrize(("option", "shown"), [("densenet", "densenet"), ("densenet121", "densenet121"), ("d2l", "d2l")])
def test_other_networks_keep_the_names_of_their_options(option, shown):
    assert summary({"architecture": option}, {"optimizer": {"lr": 0.1}}, []) == f"{shown} lr .1"
