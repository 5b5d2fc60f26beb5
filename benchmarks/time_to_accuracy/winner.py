"""The test accuracy of a configuration, trained on both splits: `winner.py GROWTH_RATE DEPTH LR EPOCHS SEED careful|plain`."""

import sys

from plain_loop import train

growth_rate, depth, lr, epochs, seed, kind = sys.argv[1:]
training = train(
    int(growth_rate), int(depth), float(lr), epochs=int(epochs), seed=int(seed), careful=kind == "careful", final=True
)
(accuracy,) = training
print(f"test accuracy {accuracy:.4f}")
