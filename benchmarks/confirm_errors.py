"""Simulated confirmations: how often a finalist is called worse that is not, and how many trainings it takes to decide.

    python benchmarks/confirm_errors.py

Three finalists, each of whose runs gets each of 4,000 test images right by a probit model: an image is hard for all, or for a
configuration, or in one run, and a run is better or worse as a whole. Which configuration is better is defined over all seeds
and images. Compared: the images of these runs alone (paired t), their seeds alone (Welch's t), both with all seeds at once
(`confirm`), and both with seeds added until it is decided (`confirm --until-decided`).
"""

import argparse
from collections.abc import Mapping
from itertools import combinations

import numpy as np
from scipy import stats

from densenet_sweep.confirm import pairs
from densenet_sweep.confirm.statistics import LEVEL, Repetitions

_NUM_IMAGES = 4000

# How much better each finalist is than the first, in units of the probit model: 0.1 is about 1.2 points of accuracy.
_SCENARIOS = {
    "all equal": (0.0, 0.0, 0.0),
    "two equal, one 2 points worse": (0.0, 0.0, -0.17),
    "one 1 point better": (0.085, 0.0, 0.0),
    "steps of 1.5 points": (0.125, 0.0, -0.125),
}


def outcomes(generator: np.random.Generator, better: tuple[float, ...], num_seeds: int) -> np.ndarray:
    """Return which images each run gets right, by configuration, seed and image."""
    number = len(better)
    of_image = generator.normal(1.7, 1, _NUM_IMAGES)
    of_configuration = generator.normal(0, 0.4, (number, 1, _NUM_IMAGES)) + np.array(better)[:, None, None]
    of_run = generator.normal(0, 0.05, (number, num_seeds, 1))
    rights: np.ndarray = of_image + of_configuration + of_run + generator.normal(0, 0.5, (number, num_seeds, _NUM_IMAGES)) > 0
    return rights


def worse_by_holm(p_values: Mapping[tuple[int, int], float]) -> set[int]:
    """Return the second of each pair whose p-value is significant by Holm's method."""
    worse = set()
    for index, (pair, p_value) in enumerate(sorted(p_values.items(), key=lambda it: it[1])):
        if p_value * (len(p_values) - index) > LEVEL:
            break
        worse.add(pair[1])
    return worse


def of_one_noise(rights: np.ndarray, *, is_of_images: bool) -> set[int]:
    """Return what is called worse by the images of these runs alone, or by their seeds alone."""
    p_values = {}
    for pair in combinations(range(len(rights)), 2):
        one, two = sorted(pair, key=lambda it: -rights[it].mean())
        if is_of_images:
            found = stats.ttest_1samp(rights[one].mean(axis=0) - rights[two].mean(axis=0), 0)
        else:
            found = stats.ttest_ind(rights[one].mean(axis=1), rights[two].mean(axis=1), equal_var=False)
        p_values[one, two] = float(found.pvalue)
    return worse_by_holm(p_values)


def of_both(sides: Mapping[int, Repetitions], num_seeds: int) -> set[int]:
    """Return what `confirm --seeds` calls worse."""
    return pairs.compare({key: side.of_seeds(range(num_seeds)) for key, side in sides.items()}).worse


def until_decided(sides: Mapping[int, Repetitions], num_seeds: int) -> tuple[set[int], int]:
    """Return what `confirm --until-decided` calls worse, and its number of trainings."""
    looks = pairs.looks(range(num_seeds))
    ended: dict[int, set[int]] = {key: set() for key in sides}
    while True:
        runs = {key: side.of_seeds(ended[key]) for key, side in sides.items() if len(ended[key]) > 1}
        found = pairs.compare(runs, looks, ended)
        if not found.wanted:
            return found.worse, sum(map(len, ended.values()))
        for key, seed in found.wanted:
            ended[key].add(seed)


def main() -> None:
    """Print a table for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000, help="simulated confirmations of each scenario (1000)")
    parser.add_argument("--seeds", type=int, default=8, help="the most seeds (8)")
    arguments = parser.parse_args()
    for name, better in _SCENARIOS.items():
        print(f"{name}: wrong, decided, trainings")
        for how, (wrong, decided, trainings) in simulated(better, arguments.rounds, arguments.seeds).items():
            print(f"  {how:28} {wrong:6.1%} {decided:6.1%} {trainings:6.2f}", flush=True)


def simulated(better: tuple[float, ...], rounds: int, most: int) -> dict[str, tuple[float, float, float]]:
    """Return for each method how often one of the best is called worse, how often one is left, and the mean trainings."""
    generator = np.random.default_rng(0)
    found: dict[str, list[tuple[bool, bool, int]]] = {}
    for _ in range(rounds):
        rights = outcomes(generator, better, most)
        sides = {key: Repetitions(it.mean(axis=1), _NUM_IMAGES, it, seeds=tuple(range(most))) for key, it in enumerate(rights)}
        called = {
            f"images alone, {min(5, most)} seeds": (of_one_noise(rights[:, :5], is_of_images=True), len(better) * min(5, most)),
            f"seeds alone, {min(5, most)} seeds": (of_one_noise(rights[:, :5], is_of_images=False), len(better) * min(5, most)),
            **{f"both, {number} seeds": (of_both(sides, number), len(better) * number) for number in range(3, most + 1)},
            f"until decided, at most {most}": until_decided(sides, most),
        }
        for how, (worse, trainings) in called.items():
            wrong = any(better[it] == max(better) for it in worse)
            found.setdefault(how, []).append((wrong, len(worse) == len(better) - 1, trainings))
    return {how: tuple(np.mean(rows, axis=0)) for how, rows in found.items()}


if __name__ == "__main__":
    main()
