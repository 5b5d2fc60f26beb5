"""The private names of Optuna and Hydra that the engine needs exist on the installed release, and do what is expected."""

import importlib
import importlib.metadata

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from hydra_async_sweeper import hydra_private, optuna_private
from hydra_async_sweeper.space.domain import contains
from hydra_async_sweeper.study.build import build
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

OPTUNA = [
    ("optuna:Study", "_pop_waiting_trial_id"),
    ("optuna:Trial", "_suggest"),
    ("optuna.samplers:GridSampler", "_same_search_space"),
    ("optuna.samplers:BruteForceSampler", "_populate_tree"),
    ("optuna.samplers._brute_force:_TreeNode", "is_any_expandable"),
    ("optuna.storages.journal._storage:JournalOperation", "SET_TRIAL_USER_ATTR"),
    ("optuna.storages._rdb.models:TrialModel", "state"),
    ("optuna.storages._rdb.models:TrialUserAttributeModel", "value_json"),
    ("optuna.storages:JournalStorage", "_sync_with_backend"),
    ("optuna.storages:GrpcStorageProxy", "_setup"),
    *(("optuna.storages:RDBStorage", name) for name in optuna_private.CALLED_BY_THE_CACHE),
]
HYDRA = [
    ("hydra._internal.config_loader_impl:ConfigLoaderImpl", "_apply_overrides_to_config"),
    ("hydra._internal.config_loader_impl:ConfigLoaderImpl", "get_search_path"),
    ("hydra.core.override_parser.types:Override", "_get_value_element_as_str"),
]


@pytest.mark.parametrize(("place", "name"), [*OPTUNA, *HYDRA])
def test_the_installed_release_has_it(place, name):
    module, _, owner = place.partition(":")
    library = module.partition(".")[0]
    release = importlib.metadata.version({"hydra": "hydra-core"}.get(library, library))
    try:
        found = getattr(importlib.import_module(module), owner)
    except (ImportError, AttributeError):
        pytest.fail(f"{library} {release} has no {owner} in {module}: change {library}_private.py", pytrace=False)
    if not hasattr(found, name):
        pytest.fail(f"{library} {release} has no {owner}.{name}: change {library}_private.py", pytrace=False)


def test_objects_have_what_their_classes_do_not_show(tmp_path):
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal")))
    study = optuna.create_study(storage=storage)
    with pytest.warns(match="experimental"):
        proxy = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=9)
    grid = optuna.samplers.GridSampler({})
    given = {"Study": study, "Trial": study.ask(), "JournalStorage": storage, "GrpcStorageProxy": proxy, "GridSampler": grid}
    needed = {"Study": ("_storage",), "Trial": ("_trial_id",), "GridSampler": ("_all_grids",), **optuna_private.INHERITED}
    missing = {f"{owner}.{name}" for owner, names in needed.items() for name in names if not hasattr(given[owner], name)}
    proxy.close()
    assert not missing, f"optuna {optuna.__version__} lacks these: change optuna_private.py"


def test_the_queue_alone_is_asked():
    study = optuna.create_study()
    space = {"x": FloatDistribution(0, 1)}
    assert optuna_private.next_waiting(study, space) is None
    study.enqueue_trial({"x": 0.25})
    trial = optuna_private.next_waiting(study, space)
    assert (trial.number, trial.params, optuna_private.id_of(trial)) == (0, {"x": 0.25}, 0)
    assert optuna_private.storage_of(study).get_trial(0).state.name == "RUNNING"
    assert optuna_private.next_waiting(study, space) is None
    assert len(study.trials) == 1


GRID = {"a": [1, 2, 3], "b": [0.5, 1.0]}


@pytest.mark.parametrize(
    "arguments",
    [{"_target_": "optuna.samplers.GridSampler", "search_space": GRID}, {"_target_": "optuna.samplers.BruteForceSampler"}],
)
def test_an_enumeration_has_begun_all_before_its_trials_have_ended(arguments):
    study = optuna.create_study(sampler=build(arguments, "sampler"))
    space = {name: CategoricalDistribution(values) for name, values in GRID.items()}
    begun = []
    while not optuna_private.has_begun_all(study):
        begun.append(study.ask(space))
        if len(begun) == 3:
            study.tell(begun[1], 1.0)
    assert len(begun) == len({tuple(trial.params.items()) for trial in begun}) == 6


def test_other_samplers_never_have_begun_all():
    assert not optuna_private.has_begun_all(optuna.create_study())


def test_what_a_job_raised_is_read_without_raising_it(capsys):
    error = ValueError("no")
    job = hydra_private.failed(error)
    assert (job.status, hydra_private.returned_by(job)) == (JobStatus.FAILED, error)
    assert capsys.readouterr().err == ""


def test_an_element_is_written_as_hydra_writes_it():
    [override] = OverridesParser.create().parse_overrides(["x=a,1,[b,2],null"])
    assert [hydra_private.element_text(element) for element in override.value().list] == ["a", "1", "[b,2]", "null"]


@pytest.mark.parametrize(
    ("distribution", "inside", "outside"),
    [
        (IntDistribution(1, 9, step=4), [1, 5, 9], [0, 3, 13, 2.5]),
        (FloatDistribution(0, 1), [0, 0.3, 1], [-1, 1.5]),
        (FloatDistribution(0, 1, step=0.25), [0.5], [0.3]),
        (CategoricalDistribution([1, "a", None]), [1, "a", None], []),
    ],
)
def test_a_distribution_contains_what_it_can_suggest(distribution, inside, outside):
    assert all(contains(distribution, value) for value in inside)
    assert not any(contains(distribution, value) for value in outside)


def test_what_is_no_number_or_no_choice_is_refused():
    for distribution in (FloatDistribution(0, 1), CategoricalDistribution(["a"])):
        with pytest.raises(ValueError, match="b"):
            contains(distribution, "b")
