"""Optional parts: the extra of a distribution that installs a missing package or launcher."""

# By the name that is imported. SQLAlchemy 2.0 takes psycopg2 for a plain `postgresql://`, 2.1 psycopg.
_OF_PACKAGES = {"psycopg": "postgres", "psycopg2": "postgres", "grpc": "grpc", "scipy": "scipy"}

# By the option of `hydra/launcher`.
_OF_LAUNCHERS = {"joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray", "ray_aws": "ray"}

DISTRIBUTION = "hydra-async-sweeper"


def package_needs(package: str) -> str:
    """Return what to install for an import that failed, such as `needs grpc; pip install ...`.

    Args:
        package: the missing module's name; a part of a package counts as the package.
    """
    top = package.partition(".")[0]
    if top == "psycopg2":
        return f"needs psycopg2, or postgresql+psycopg:// and {_command('postgres', DISTRIBUTION)}"
    if top in _OF_PACKAGES:
        return f"needs {top}; {_command(_OF_PACKAGES[top], DISTRIBUTION)}"
    return f"needs {top}, which is not installed"


def launcher_needs(option: str, distribution: str = DISTRIBUTION) -> str | None:
    """Return what to install for `hydra/launcher=<option>`; None for an option that no extra brings.

    Args:
        option: that Hydra does not find.
        distribution: whose extras the user installs.
    """
    extra = _OF_LAUNCHERS.get(option)
    return None if extra is None else f"is not installed; {_command(extra, distribution)}"


def _command(extra: str, distribution: str) -> str:
    return f"pip install '{distribution}[{extra}]'"
