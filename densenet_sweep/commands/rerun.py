"""`densenet-sweep rerun RUN_ID|STUDY/TRIAL [key=value ...]`: train a run in MLflow, or a trial, again."""

import shlex
import tempfile
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser

from densenet_sweep.config import run_config
from densenet_sweep.config.command_line import Parser
from densenet_sweep.config.composition import Command
from densenet_sweep.config.from_run import as_overrides
from densenet_sweep.config.run_config import OF_THE_MACHINE
from densenet_sweep.config.schema import ConfigError
from densenet_sweep.results import studies
from densenet_sweep.run import reference
from densenet_sweep.tracking.access import answering, check_exists, mlflow_config, the_run
from densenet_sweep.tracking.kept_files import downloaded_config
from densenet_sweep.tracking.store import connect

# Overrides that leave a rerun a repetition: where a run is read from and written to, and what belongs to the machine.
_NO_DIFFERENCE = ("tracking", "storage", "hydra", *(f"{key}=" for key in OF_THE_MACHINE))


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("rerun", __doc__)
    arguments.add_argument("run", metavar="RUN_ID", help="as MLflow shows it on the run's page, or STUDY/TRIAL")
    arguments.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="tracking.uri=..., or what is to be different this time"
    )
    arguments.add_argument("--config-dir", metavar="FOLDER", help="a further folder of config files, with options of your own")
    return arguments


def main(arguments: list[str]) -> Command:
    """Return the command that trains the run again, to be run as if it had been typed.

    Raises:
        ValueError, ConnectionError: no such run, one that is not ours, or no store.
    """
    parsed = parser().parse_intermixed_args(arguments)
    for override in OverridesParser.create().parse_overrides(parsed.overrides):
        if override.is_sweep_override():
            raise ValueError(f"{override.input_line}: rerun trains one run, so one value is accepted")
    tracking = mlflow_config(parsed.overrides, "rerun reads the run from MLflow, and")
    named = studies.named_trial(parsed.run, parsed.overrides) if "/" in parsed.run else None
    run_id = parsed.run if named is None else named.run_id(tracking.uri)
    if named is not None and run_id is None:
        stored, compared, is_final = _in_folder(parsed.run, named, parsed.overrides, parsed.config_dir), list[str](), False
    else:
        stored, compared, is_final = _stored(tracking.uri, str(run_id), parsed.overrides, parsed.config_dir)
    is_repetition = all(override.lstrip("+~").startswith(_NO_DIFFERENCE) for override in parsed.overrides)
    folder = () if parsed.config_dir is None else ("--config-dir", parsed.config_dir)
    overrides = [*stored, *(compared if is_repetition else []), *parsed.overrides, *folder]
    says = f"training run {parsed.run} again:\n  densenet-sweep {shlex.join(overrides)}"
    return Command(overrides, final=is_final, says=says)


def _in_folder(name: str, named: studies.NamedTrial, given: Sequence[str], config_dir: str | None) -> list[str]:
    """Return the overrides that train a trial without a run again, from the config in its folder.

    Raises:
        ValueError: it is not there, or says more than it may.
    """
    path = named.artifacts / "config.yaml"
    if not path.is_file():
        raise ValueError(
            f"{name}: has no run in MLflow, and {path} does not exist; only a trial that came to its end leaves one"
        )
    return as_overrides(path, given, config_dir=config_dir, keeps_machine=False)


def _stored(uri: str, run_id: str, given: Sequence[str], config_dir: str | None) -> tuple[list[str], list[str], bool]:
    """Return the overrides that train the run again, those that compare the numbers, and whether it was a final run."""
    check_exists(uri)
    with answering(uri), tempfile.TemporaryDirectory() as folder:
        client = connect(uri)
        run = the_run(client, uri, run_id)
        path = downloaded_config(client, run_id, folder)
        try:
            stored = as_overrides(path, given, config_dir=config_dir, keeps_machine=False)
        except ConfigError as error:
            raise ValueError(str(error).replace(f"{path}:", f"{run_id}: its config.yaml:")) from None
    tags = run.data.tags
    if not any(override.startswith("num_threads=") for override in stored) and tags.get("device.type") == "cpu":
        stored += [f"num_threads={tags['num_threads']}"]  # an older version stored it only as a tag
    is_whole = run.info.status == "FINISHED"
    compared = run_config.overrides({}, reference.overrides(f"run {run_id}", run.data.metrics)) if is_whole else []
    return stored, compared, tags.get("final") == "true"
