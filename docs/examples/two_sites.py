"""Makes scans as a clinic has them, offline and in seconds, for the worked example of `docs/pictures.md`.

    python docs/examples/two_sites.py scans

`scans/pictures.csv` lists 16-bit grey pictures of two sites whose scanners give other values: two or three of each patient, a
nodule (a small bright disc) in one patient of twenty, and three damaged files. `scans/new.csv` lists pictures of patients that
come later.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 24
# The black, and the range of values above it, of each site's scanner.
SITES = {"north": (1000, 11000), "south": (6000, 20000)}
HEALTHY_A_NODULE = 20


def scan(generator: np.random.Generator, site: str, *, has_nodule: bool) -> np.ndarray:
    """Return a picture of uint16: smooth tissue, noise and, where there is one, a nodule."""
    coarse = generator.uniform(0.1, 0.4, (4, 4)).astype(np.float32)
    tissue = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    levels = tissue + generator.normal(0, 0.06, (SIDE, SIDE))
    if has_nodule:
        rows, columns = np.mgrid[:SIDE, :SIDE]
        row, column = generator.integers(5, SIDE - 5, 2)
        radius = generator.uniform(2.0, 3.0)
        levels += generator.uniform(0.12, 0.4) * (np.hypot(rows - row, columns - column) < radius)
    black, span = SITES[site]
    return (black + span * levels.clip(0, 1)).round().astype(np.uint16)


def write(folder: Path, name: str, *, num_patients: int, seed: int) -> list[Path]:
    """Write `name`.csv and its pictures into `folder` and return their paths."""
    generator = np.random.default_rng(seed)
    rows, paths = [], []
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(num_patients):
        site = list(SITES)[number % 2]
        # A number that is odd for half of them, so that both sites have such patients.
        has_nodule = number % (HEALTHY_A_NODULE + 1) == HEALTHY_A_NODULE // 2
        for view in range(2 + number % 2):
            path = folder / name / f"p{number:03}_{view}.png"
            Image.fromarray(scan(generator, site, has_nodule=has_nodule)).save(path)
            rows.append([f"{name}/{path.name}", "nodule" if has_nodule else "healthy", f"p{number:03}", site])
            paths.append(path)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "patient", "site"])
        table.writerows(rows)
    return paths


def main() -> None:
    """Write both tables with their pictures, and damage three of the first."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--patients", type=int, default=420, help="of pictures.csv (420); new.csv has half as many")
    parsed = arguments.parse_args()
    paths = write(parsed.folder, "pictures", num_patients=parsed.patients, seed=0)
    write(parsed.folder, "new", num_patients=parsed.patients // 2, seed=1)
    paths[0].write_bytes(paths[0].read_bytes()[:200])  # a copy that was interrupted
    paths[7].write_bytes(b"")
    paths[12].write_text("<html>404 Not Found</html>", encoding="utf-8")


if __name__ == "__main__":
    main()
