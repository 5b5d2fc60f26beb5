import datetime
from pathlib import Path

from densenet_sweep.confirm import of_study
from densenet_sweep.confirm.finalists import Finalist, Finalists
from densenet_sweep.confirm.of_study import Confirmation
from densenet_sweep.results.study import Study, Trial

NOON = datetime.datetime(2026, 11, 28, 12)
FINALISTS = Finalists("it", "valid_accuracy", 9, (Finalist(3, 0.9, {}, None),))


def run(number: int, hour: int, experiment: str, state="complete") -> Trial:
    ended = NOON + datetime.timedelta(hours=hour)
    values = (0.5 + number / 10,) if state == "complete" else ()
    return Trial(
        number, state, values, {"experiment": experiment, "seed": 1000}, num_test=50, seconds=2.0, end=ended, run_id="r"
    )


def confirmation(name: str, finalists: Finalists, *runs: Trial) -> Confirmation:
    return Confirmation(name, Path(name), Study(name, ("test_accuracy",), ("maximize",), runs, is_repeated=True), finalists)


def test_every_complete_run_has_read_the_test_set_in_the_order_of_their_ends():
    left_out = FINALISTS.without("site", ["A", "B"])
    found = of_study.readings(
        [
            confirmation("seeds", FINALISTS, run(0, 2, "trial_3"), run(1, 1, "trial_3", "failed")),
            confirmation("sites", left_out, run(0, 1, "trial_3_without_1")),
        ]
    )
    assert [(it.confirmation, it.number, it.about, it.value) for it in found] == [
        ("sites", 0, "trial 3 without site B, seed 1000", 0.5),
        ("seeds", 0, "trial 3, seed 1000", 0.5),
    ]
    assert (found[0].num_images, found[0].seconds, found[0].run_id) == (50, 2.0, "r")
