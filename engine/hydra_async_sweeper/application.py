"""What a program that is built around a study may use of the engine, besides a task's interface and Hydra's events.

The config of a trial, the folder and the records of a study, the words of its messages. Imports no Optuna.
"""

from hydra_async_sweeper.best_config import REPEATS, flat_job_config
from hydra_async_sweeper.control_groups import core_share, memory_limit, num_cores
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.extras import package_needs
from hydra_async_sweeper.openmp import short_spins
from hydra_async_sweeper.program import with_config_dir
from hydra_async_sweeper.space.domain import contains
from hydra_async_sweeper.space.override_text import override_text
from hydra_async_sweeper.space.search_space import is_search
from hydra_async_sweeper.space.search_space import read as read_space
from hydra_async_sweeper.study.earlier import MOVED_TARGETS, first_difference, set_stored
from hydra_async_sweeper.study.forecast import Forecast
from hydra_async_sweeper.study.names import ACCEPTED, check_study_name, is_study_name
from hydra_async_sweeper.study.passwords import advice_on_storage, check_password, redacted, refuse_written, scrubbed
from hydra_async_sweeper.study.rank_correlation import FEWEST as FEWEST_FOR_A_CORRELATION
from hydra_async_sweeper.study.rank_correlation import RankCorrelation, rank_correlation
from hydra_async_sweeper.study.searches import SEARCHES
from hydra_async_sweeper.study.storage import STUDY_FILES, storage_file
from hydra_async_sweeper.study.study_file import DESCRIPTION, FoundStudy
from hydra_async_sweeper.study.study_file import read as read_study_file
from hydra_async_sweeper.study.study_file import stored as stored_study
from hydra_async_sweeper.study.trust import is_trusted
from hydra_async_sweeper.trial import (
    AT_RUNGS,
    CAPTION,
    FOLDER,
    HELD_TO,
    LEASE,
    NUM_STEPS,
    PROMOTED,
    RUNG_SECONDS,
    RUNGS,
    SECONDS,
    STUDY_ID,
    WARM_START,
    NullTrial,
    passed_step,
)
from hydra_async_sweeper.workers.composer import Composer
from hydra_async_sweeper.workers.lease import BEGAN, DIED, EARLIER, RENEWED, Silence, is_of_dead_process
from hydra_async_sweeper.workers.process_identity import is_gone, machine, process_start

__all__ = [
    "ACCEPTED",
    "AT_RUNGS",
    "BEGAN",
    "CAPTION",
    "DESCRIPTION",
    "DIED",
    "EARLIER",
    "FEWEST_FOR_A_CORRELATION",
    "FOLDER",
    "HELD_TO",
    "LEASE",
    "MOVED_TARGETS",
    "NUM_STEPS",
    "PROMOTED",
    "RENEWED",
    "REPEATS",
    "RUNGS",
    "RUNG_SECONDS",
    "SEARCHES",
    "SECONDS",
    "STUDY_FILES",
    "STUDY_ID",
    "WARM_START",
    "Composer",
    "Forecast",
    "FoundStudy",
    "NullTrial",
    "RankCorrelation",
    "Silence",
    "SweepError",
    "advice_on_storage",
    "check_password",
    "check_study_name",
    "contains",
    "core_share",
    "first_difference",
    "flat_job_config",
    "is_gone",
    "is_of_dead_process",
    "is_search",
    "is_study_name",
    "is_trusted",
    "machine",
    "memory_limit",
    "num_cores",
    "override_text",
    "package_needs",
    "passed_step",
    "process_start",
    "rank_correlation",
    "read_space",
    "read_study_file",
    "redacted",
    "refuse_written",
    "scrubbed",
    "set_stored",
    "short_spins",
    "storage_file",
    "stored_study",
    "with_config_dir",
]
