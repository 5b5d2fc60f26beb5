"""The saved views of a study in a real store: written, brought up to date, and left alone where somebody has touched them."""

import base64
import json
import zlib
from typing import Any

import optuna
import pytest
from hydra.utils import instantiate
from hydra_async_sweeper.study.storage import open_storage
from mlflow import MlflowClient
from omegaconf import DictConfig, OmegaConf
from small_runs import SUBDIR

from densenet_sweep.callbacks.leaderboard import PrintLeaderboard, ViewedSweepRun
from densenet_sweep.confirm import finalists
from densenet_sweep.mlflow_ui import saved_views, views

STUDY = "it's a study"
TITLES = ["Leaderboard", "Search", "Learning curves", "Cost"]
MENU = [f"{title}{' (✗: pruned or failed)' * (title == 'Leaderboard')}: {STUDY}" for title in TITLES] + ["All runs"]


@pytest.fixture
def config(tracking: dict[str, Any]) -> DictConfig:
    return OmegaConf.create(
        {
            "tracking": tracking,
            "objective": "valid_accuracy",
            "hydra": {
                "sweep": SUBDIR,
                "sweeper": {
                    "params": {"architecture.depth": "choice(10,16)", "optimizer.lr": "tag(log,interval(0.01,1))"},
                    "n_trials": 3,
                    "direction": "maximize",
                },
                "overrides": {"task": []},
            },
        }
    )


@pytest.fixture
def experiment(config: DictConfig, client: MlflowClient, tmp_path: Any) -> str:
    """The experiment of a sweep that has been opened."""
    ViewedSweepRun().on_study_open(config=config, study_name=STUDY, sweep_dir=str(tmp_path), command="densenet-sweep")
    found = client.get_experiment_by_name("tests")
    assert found is not None
    return str(found.experiment_id)


def begun(tracking: dict[str, Any], parameters: dict[str, Any], **tags: str) -> Any:
    return instantiate(tracking, name="trial", parameters=parameters, tags=tags, study_name=STUDY, run_id=None)


def menu(client: MlflowClient, experiment: str) -> list[str]:
    """Return the names that the menu shows, in its order."""
    tags = client.get_experiment(experiment).tags
    saved = [json.loads(value) for key, value in tags.items() if key.startswith("mlflow.sharedViewState.")]
    return [view["name"] for view in sorted(saved, key=lambda view: -view["createdAt"])]


def state(client: MlflowClient, experiment: str, title: str) -> dict[str, Any]:
    """Return what the browser unpacks."""
    saved = json.loads(client.get_experiment(experiment).tags[key_of(title)])
    header, packed = saved["state"].split(";")
    assert header == "deflate"
    unpacked: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return unpacked


def key_of(title: str) -> str:
    return f"mlflow.sharedViewState.{views.id_of(STUDY, title)}"


def test_a_sweep_that_opens_has_its_views(client, experiment):
    assert menu(client, experiment) == MENU
    leaderboard = state(client, experiment, "Leaderboard")
    assert leaderboard["searchFilter"] == f"tags.`study` = \"{STUDY}\" AND tags.`mlflow.parentRunId` LIKE '%'"
    assert (leaderboard["orderByKey"], leaderboard["orderByAsc"]) == ("metrics.`valid_accuracy`", False)
    assert leaderboard["selectedColumns"][:5] == [
        "metrics.`valid_accuracy`",
        "tags.`trial.state`",
        "params.`architecture.depth`",
        "params.`optimizer.lr`",
        "params.`optimizer`",
    ]


def test_among_all_runs_trials_are_folded_under_their_sweep(client, experiment):
    page = json.loads(client.get_experiment(experiment).tags["mlflow.sharedViewState." + views.id_of("", "All runs")])
    unpacked = json.loads(zlib.decompress(base64.b64decode(page["state"].split(";")[1])))
    assert (unpacked["searchFilter"], unpacked["orderByKey"]) == ("", "attributes.start_time")


def test_what_is_searched_on_a_log_scale_is_drawn_by_its_logarithm(client, experiment):
    parallel, *scatters = state(client, experiment, "Search")["compareRunCharts"]
    assert parallel["selectedParams"] == ["architecture.depth", "optimizer.lr.log10"]
    assert [chart["xaxis"]["key"] for chart in scatters] == ["architecture.depth", "optimizer.lr.log10"]


def test_or_as_it_is_where_the_trials_have_none(client, experiment, tracking):
    begun(tracking, {"optimizer.lr": 0.1, "architecture.depth": 10}).finish("complete", None)
    saved_views.install(client, experiment, STUDY)
    assert state(client, experiment, "Search")["compareRunCharts"][0]["selectedParams"] == [
        "architecture.depth",
        "optimizer.lr",
    ]


def test_the_filter_finds_the_trials_and_not_their_sweep(client, experiment, tracking):
    trial = begun(tracking, {}, **{"trial.number": "0"})
    found = client.search_runs([experiment], state(client, experiment, "Leaderboard")["searchFilter"])
    assert [run.info.run_id for run in found] == [trial.run_id]


def test_several_objectives_and_one_that_is_minimized(config, client, tmp_path):
    config.objective, config.hydra.sweeper.direction = ["valid_loss", "num_parameters"], ["minimize", "minimize"]
    ViewedSweepRun().on_study_open(config=config, study_name=STUDY, sweep_dir=str(tmp_path), command="densenet-sweep")
    assert state(client, "1", "Leaderboard")["orderByAsc"] is True
    drawn = [(chart["xaxis"]["key"], chart["yaxis"]["key"]) for chart in state(client, "1", "Cost")["compareRunCharts"]]
    assert drawn[0] == ("num_parameters", "valid_loss")
    assert all(cost != metric for cost, metric in drawn)
    # None of them says which trials are best.
    assert state(client, "1", "Cost")["compareRunSections"][0]["name"] == "First 100 until more load: cost"


def test_installed_again_nothing_is_written(client, experiment, monkeypatch):
    def refuse(*_: Any) -> None:
        raise AssertionError("written again")

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", refuse)
    assert [view.title for view in saved_views.install(client, experiment, STUDY)] == [*TITLES, "All runs"]


def test_a_view_that_was_deleted_stays_so(client, experiment):
    client.delete_experiment_tag(experiment, key_of("Cost"))
    there = saved_views.install(client, experiment, STUDY)
    assert [view.title for view in there] == ["Leaderboard", "Search", "Learning curves", "All runs"]
    assert len(menu(client, experiment)) == 4


def test_a_view_that_was_changed_stays_so(client, experiment):
    client.set_experiment_tag(experiment, key_of("Cost"), "the user's")
    there = saved_views.install(client, experiment, STUDY)
    assert [view.title for view in there] == [*TITLES, "All runs"]
    assert client.get_experiment(experiment).tags[key_of("Cost")] == "the user's"


def test_ours_follow_what_is_searched(config, client, experiment, tmp_path):
    parent = client.search_runs([experiment])[0].info.run_id
    client.log_param(parent, "seed", "choice(1,2)")
    ended = {"study_name": STUDY, "sweep_dir": str(tmp_path), "reason": "done", "outcome": "finished", "states": {}}
    ViewedSweepRun().on_study_end(config=config, **ended)
    assert "params.`seed`" in state(client, experiment, "Leaderboard")["selectedColumns"]


def test_what_was_written_and_not_yet_remembered_is_ours(client, experiment):
    tags = client.get_experiment(experiment).tags
    remembered = "mlflow.densenet_sweep.view." + views.id_of(STUDY, "Cost")
    client.delete_experiment_tag(experiment, remembered)
    saved_views.install(client, experiment, STUDY)
    assert client.get_experiment(experiment).tags == tags


def test_finalists_have_a_view_as_soon_as_there_are_some(client, experiment, tracking):
    begun(tracking, {"seed": 3}, confirms=STUDY, **{"confirms.trial": "2"}).finish("complete", None)
    assert [view.title for view in saved_views.install(client, experiment, STUDY)] == [*TITLES, "Finalists", "All runs"]
    assert menu(client, experiment) == [*MENU[:-1], f"Finalists: {STUDY}", "All runs"]
    shown = state(client, experiment, "Finalists")
    assert shown["searchFilter"].startswith(f'tags.`confirms` = "{STUDY}"')
    assert shown["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "confirms.trial"}]


def test_a_confirmation_is_seen_in_the_views_of_its_study(config, client, experiment, tracking, tmp_path):
    best = finalists.Finalist(trial=2, value=0.5, params={}, num_parameters=9)
    finalists.write(
        tmp_path, finalists.Finalists(STUDY, "valid_accuracy", 3, (best,)), top=1, seeds=[1], command="densenet-sweep confirm"
    )
    ViewedSweepRun().on_study_open(
        config=config, study_name="its confirmation", sweep_dir=str(tmp_path), command="densenet-sweep"
    )
    assert menu(client, experiment) == MENU
    begun(tracking, {"seed": 3}, confirms=STUDY, **{"confirms.trial": "2"}).finish("complete", None)
    ended = {
        "study_name": "its confirmation",
        "sweep_dir": str(tmp_path),
        "reason": "done",
        "outcome": "finished",
        "states": {},
    }
    ViewedSweepRun().on_study_end(config=config, **ended)
    assert menu(client, experiment)[-2] == f"Finalists: {STUDY}"
    client.set_tag(client.search_runs([experiment], "tags.`study` = 'its confirmation'")[0].info.run_id, "confirms", STUDY)
    assert saved_views.studies(client, experiment) == {"its confirmation": STUDY, STUDY: STUDY}


def test_many_searched_parameters_fit_into_a_tag(client, experiment):
    parent = client.search_runs([experiment])[0].info.run_id
    for number in range(80):
        client.log_param(parent, f"architecture.some_parameter_{number * 7919 % 1000}", "interval(0,1)")
    saved_views.install(client, experiment, STUDY)
    tags = client.get_experiment(experiment).tags
    assert max(len(value) for value in tags.values()) < 5000  # MLflow's limit before 3.17


def test_a_store_that_takes_no_tags_costs_a_warning(config, client, experiment, tmp_path, monkeypatch, caplog):
    from mlflow.exceptions import MlflowException

    def refuse(*_: Any) -> None:
        raise MlflowException("not for you")

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", refuse)
    config.tracking.required = True
    ViewedSweepRun().on_study_open(config=config, study_name="another", sweep_dir=str(tmp_path), command="densenet-sweep")
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "the study's views were not saved in MLflow (not for you)"
    ]
    assert list(saved_views.studies(client, experiment)) == ["another", STUDY]


def test_a_study_that_was_never_recorded_has_none_of_its_own(client, experiment):
    assert [view.title for view in saved_views.install(client, experiment, "another")] == ["All runs"]
    assert saved_views.address([], experiment) == f"#/experiments/{experiment}/runs?workflowType=machine_learning"


@pytest.mark.parametrize(
    ("uri", "site"),
    [
        ("http://me:secret@host:5000", "http://host:5000/"),
        ("https://host/mlflow/", "https://host/mlflow/"),
        ("http://127.0.0.1:5000?x=1", "http://127.0.0.1:5000/"),
    ],
)
def test_an_address_for_a_browser_holds_no_password(uri, site):
    assert saved_views.site(uri) == site


@pytest.mark.parametrize("study", ["quickstart-digits", STUDY, "größer / kleiner?", "x" * 300])
def test_an_id_is_of_what_tags_and_addresses_may_contain(study):
    from mlflow.utils.validation import _validate_tag_name

    identifier = views.id_of(study, "Learning curves")
    _validate_tag_name("mlflow.densenet_sweep.view." + identifier)
    assert identifier.replace("-", "").isalnum()
    assert identifier.isascii()
    assert len(identifier) < 80
    assert identifier != views.id_of(study + ".", "Learning curves")


def test_on_a_server_the_end_of_a_sweep_and_the_ui_name_whole_addresses(config, server, tmp_path, command, capsys):
    config.tracking.uri = server.uri
    config.tracking.experiment = "served"
    config.hydra.sweeper.storage = None
    config.hydra = OmegaConf.merge(config.hydra, {"runtime": {"config_sources": []}, "searchpath": []})
    ViewedSweepRun().on_study_open(config=config, study_name="mine", sweep_dir=str(tmp_path), command="densenet-sweep")
    study = optuna.create_study(study_name="mine", storage=open_storage(None, tmp_path), direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=0.75))
    PrintLeaderboard().on_study_end(config=config, study_name="mine", sweep_dir=str(tmp_path))
    printed = capsys.readouterr().out
    view = views.id_of("mine", "Leaderboard")
    number = server.client().get_experiment_by_name("served").experiment_id
    page = f"{server.uri}/#/experiments/{number}/runs?viewStateShareKey={view}&workflowType=machine_learning"
    assert f"\nIn MLflow: {page}\n" in printed
    assert "densenet-sweep ui" not in printed

    typed = command("ui", "mine", f"tracking.uri={server.uri}", "tracking.experiment=served")
    assert typed.exit_code == 0
    assert typed.out.splitlines()[:2] == ["MLflow UI", f"  Leaderboard      {page}"]
    typed = command("ui", "yours", f"tracking.uri={server.uri}", "tracking.experiment=served")
    assert (typed.exit_code, typed.err) == (
        1,
        "densenet-sweep: error: yours: no such study in tracking.experiment=served; there are mine\n",
    )
