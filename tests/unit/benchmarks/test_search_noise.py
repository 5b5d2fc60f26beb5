import numpy as np
import optuna
import pytest
import search_noise
from hydra_async_sweeper.space import search_space
from learning_curves import Curve
from search import methods
from search.task import Task
from search_noise import Confirmation, Noise, Rule, Search

TRUTHS = (0.5, 0.4, 0.6, 0.1, 0.1, 0.1)  # the last begins when the budget is spent
# What the trainings of each configuration show: the second one is lucky once, the third never.
SHOWN = ((0.5, 0.5), (0.7, 0.2), (0.6, 0.6), (0.1, 0.1), (0.1, 0.1), (0.1, 0.1))


class Script:
    """Configurations in the order in which they are first trained, with noise that is known."""

    deviation = 0.1

    def __init__(self):
        self.order = []

    def place(self, configuration):
        if configuration not in self.order:
            self.order.append(dict(configuration))
        return self.order.index(configuration)

    def add(self, _values, configuration, repetition):
        return [SHOWN[self.place(configuration)][min(repetition, 1)]]

    def curves(self, configuration):
        return [Curve([TRUTHS[self.place(configuration)]], [1.0])]


@pytest.fixture
def replayed():
    known = methods.of_plain_tasks()["random"]

    def replayed(rule, num_trainings=5):
        script = Script()
        space = search_space.read({"x": "interval(0,1)"}, [], None)
        search = Search(Task("five", space, 1, script.curves, best=0.6, median=0.1), script, rule)
        search.replay(known.sampler, known.pruner, num_trainings, seed=0)
        return search

    return replayed


def incumbents(search):
    return [(steps, it.truth) for steps, it in search.incumbents]


def test_without_repetition_the_lucky_configuration_is_handed_out(replayed):
    search = replayed(Rule())
    assert incumbents(search) == [(1, 0.5), (2, 0.4)]
    assert search.handed_out(1).truth == 0.5
    assert search_noise.outcomes(search, search._task, {})["", 10] == (pytest.approx(0.4), True)


def test_a_second_seed_finds_out_the_lucky_one_and_is_charged(replayed):
    search = replayed(Rule(max_seeds=2))
    assert incumbents(search) == [(1, 0.5), (5, 0.6)]  # two trainings each of the second and of the third
    assert [it.shown for it in search.trained] == [[0.5], [0.7, 0.2], [0.6, 0.6]]
    assert search.handed_out(4).truth == 0.5


def test_a_training_that_the_budget_cuts_off_changes_nothing(replayed):
    assert incumbents(replayed(Rule(max_seeds=2), num_trainings=4)) == [(1, 0.5)]


def test_a_lead_beyond_the_margin_is_believed_at_once(replayed):
    search = replayed(Rule(max_seeds=2, margin=1))
    assert incumbents(search) == [(1, 0.5), (2, 0.4)]
    assert incumbents(replayed(Rule(max_seeds=2, margin=3))) == [(1, 0.5), (5, 0.6)]


def test_the_incumbent_is_trained_as_often_as_what_replaces_it(replayed):
    search = replayed(Rule(max_seeds=2, repeats_incumbent=True), num_trainings=6)
    assert [it.shown for it in search.trained] == [[0.5, 0.5], [0.7, 0.2], [0.6, 0.6]]
    assert incumbents(search) == [(1, 0.5), (6, 0.6)]


@pytest.mark.parametrize(("shows_each", "seen"), [(False, [0.45, 0.5, 0.6]), (True, [0.2, 0.5, 0.6, 0.6, 0.7])])
def test_the_sampler_sees_the_mean_or_each_training(replayed, monkeypatch, shows_each, seen):
    studies = []
    create = optuna.create_study
    monkeypatch.setattr(optuna, "create_study", lambda **named: studies.append(create(**named)) or studies[0])
    replayed(Rule(max_seeds=2, shows_each=shows_each), num_trainings=6)
    assert sorted(it.value for it in studies[0].trials if it.value and it.value > 0.1) == pytest.approx(seen)


def test_a_confirmation_takes_its_trainings_from_the_search(replayed):
    search = replayed(Rule())
    two = Confirmation(2, 1)
    assert search.confirmed(two, 5).truth == 0.6  # of the first three trainings the best two
    assert search.confirmed(two, 4).truth == 0.5  # the third was not trained
    assert search.confirmed(two, 2) is None
    assert search.confirmed(Confirmation(2, 1, is_fresh=True), 5).truth == 0.6


def test_noise_is_that_of_the_seed_and_of_the_images():
    shown = [Noise("a", 0.2, 1.0, 0).add([0.0, 0.0], {"x": 1}, repetition) for repetition in range(400)]
    assert np.std([it[0] for it in shown]) == pytest.approx(0.2, rel=0.15)
    assert all(first == last for first, last in shown)  # a seed moves its whole curve, and of no right image none is drawn
    quiet = [Noise("a", 0.0, 100.0, 0).add([50.0], {"x": 1}, repetition)[0] for repetition in range(400)]
    assert np.std(quiet) == pytest.approx(100 * (0.25 / search_noise.NUM_IMAGES) ** 0.5, rel=0.15)
    again, other = Noise("a", 0.2, 1.0, 0), Noise("a", 0.2, 1.0, 1)
    assert again.add([0.0], {"x": 1}, 3) == [shown[3][0]]
    assert other.add([0.0], {"x": 1}, 3) != [shown[3][0]]
