"""Whether a run goes on from what an earlier start left in its folder."""

import json
from dataclasses import asdict
from typing import Any

from densenet_sweep import config_file
from densenet_sweep.config import Config, ConfigError
from densenet_sweep.recording import Job
from densenet_sweep.run_folder import LAST
from densenet_sweep.training import checkpoint


def last_checkpoint(job: Job, config: Config) -> dict[str, Any]:
    """Return the checkpoint to continue from, or nothing.

    Raises:
        ConfigError: it was written by another config, or this one trains for fewer epochs than it has.
    """
    path = job.output_dir / LAST
    if not path.exists():
        return {}
    last = checkpoint.load(path)
    then, now = json.loads(last["config"]), json.loads(fingerprint(config, job))
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key):
            raise ConfigError(
                f"{key}={now.get(key)}, but {path} was trained with {key}={then.get(key)}: "
                "continue with the same config, or choose another hydra.run.dir"
            )
    return last


def fingerprint(config: Config, job: Job) -> str:
    """Return what must not change over a continued run, as JSON; where and by whom it is recorded and judged may change."""
    leaves = {**config_file.flat(asdict(config)), "final": job.final}
    of_others = ("tracking.", "storage.", "limits.", "rungs", "trusted_targets")
    ignored = (*of_others, "device", "data.root", "data.download", "architecture.num_classes")
    return json.dumps({key: value for key, value in leaves.items() if not key.startswith(ignored)}, sort_keys=True)
