"""The names of the files that a run leaves in its folder. Imports nothing, so that callbacks stay light."""

# The checkpoint that an interrupted run continues from.
CHECKPOINT = "last.pt"
# Below `artifacts/`: the weights of the epoch that was best on the validation images, and those of a final run.
BEST_WEIGHTS = "best.pt"
FINAL_WEIGHTS = "final.pt"
