from importlib import metadata

import densenet_sweep


def test_the_command_names_its_version_and_those_of_what_it_runs_on(command):
    shown = command("--version")
    assert shown.exit_code == 0
    assert shown.out.splitlines() == [
        f"{name} {metadata.version(name)}"
        for name in ("densenet-sweep", "torch", "torchvision", "hydra-core", "omegaconf", "optuna", "mlflow")
    ]


def test_the_package_has_its_distributions_version():
    assert densenet_sweep.__version__ == metadata.version("densenet-sweep")
