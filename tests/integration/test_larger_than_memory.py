"""A folder of pictures whose decoded size exceeds what the process may allocate."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

IMAGE_SIZE = 256
NUM_PICTURES = 2000  # 125 MiB decoded in grey
BOUND = 64 * 2**20  # half of it is needed

# RLIMIT_DATA counts every private page that may be written, so it is a peak and no sample. What is mapped from a file is not
# counted: the system can take those pages away.
SCRIPT = """
import resource
import sys
import threading

import torch

from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import EvalBatches, TrainBatches
from densenet_sweep.data.image_folder import image_folder
from densenet_sweep.data.preprocessing import Preprocessing, channel_statistics
from densenet_sweep.data.split import split

root, image_size, bound = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
threading.stack_size(2**18)  # stacks count, and there are as many threads as the machine has cores
torch.zeros(64, 64) @ torch.zeros(64, 64)
[used] = [1024 * int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")]
resource.setrlimit(resource.RLIMIT_DATA, (used + bound, used + bound))

source = image_folder(root, image_size=image_size, num_channels=1, test_fraction=0.2, split_seed=0)
assert not source.remark, source.remark
train, valid = split(source.train, valid_fraction=0.2, num_train=None, seed=0)
everything = train.joined(valid)
preprocessing = Preprocessing(image_size, *channel_statistics(train, normalize=True))
train.digest, valid.digest
shown = sum(len(labels) for _, labels in TrainBatches(train, preprocessing, Augmentation(), batch_size=16, seed=0)(0))
shown += sum(len(labels) for _, labels in EvalBatches(source.load_test(), preprocessing, batch_size=16)())
print(shown, len(everything), everything.images_NCHW.nbytes if len(sys.argv) > 4 else 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA bounds mapped memory on Linux alone")
def test_it_is_decoded_split_measured_shown_and_tested_within_a_bound(tmp_path):
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), level).save(tmp_path / "picture.png")
        content = (tmp_path / "picture.png").read_bytes()
        for index in range(NUM_PICTURES // 2):
            (tmp_path / name / f"{index}.png").write_bytes(content)
    assert NUM_PICTURES * IMAGE_SIZE**2 > 1.9 * BOUND
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(NUM_PICTURES * 64 // 100 + NUM_PICTURES // 5), str(NUM_PICTURES * 8 // 10), "0"]
    # The bound does bind: what holds all images at once does not fit.
    assert "can't allocate memory" in run(tmp_path, "all at once").stderr


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, str(root), str(IMAGE_SIZE), str(BOUND), *arguments]
    # glibc keeps an arena for each thread and what was freed in it; by chance, which would make the peak one of chance.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
