import subprocess
import sys

TRAINS = """
import sys
import torch
from densenet_sweep.training import optimizers, torch_private

torch_private.leave_compiler_out()
network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
common = {"lr": 0.1, "weight_decay": 1e-4, "decay_norm_and_bias": False}
for optimizer in (
    optimizers.sgd(network, **common, momentum=0.9, nesterov=True),
    optimizers.adamw(network, **common, betas=(0.9, 0.999), eps=1e-8),
    optimizers.muon(network, **common, momentum=0.9, ns_steps=5),
):
    optimizer.zero_grad()
    network(torch.ones(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
sys.exit("torch._dynamo" in sys.modules)
"""


def test_our_optimizers_do_without_the_compiler():
    assert subprocess.run([sys.executable, "-c", TRAINS], check=False).returncode == 0
