"""The names of the files that a run leaves in its folder. Imports nothing, so that callbacks stay light."""

# What an interrupted run continues from: the last checkpoint, or the one before it where that is damaged.
CHECKPOINT = "last.pt"
PREVIOUS_CHECKPOINT = "previous.pt"
CHECKPOINTS = (CHECKPOINT, PREVIOUS_CHECKPOINT)
# Below `artifacts/`: the weights of the epoch that was best on the validation images, and those of a final run.
BEST_WEIGHTS = "best.pt"
FINAL_WEIGHTS = "final.pt"

# The images with the highest loss, as a picture.
MISTAKES = "mistakes.png"

# Of a final run: which test images were right; the metric's values_R on resamples of num_drawn images or groups, if it has any.
TEST_RIGHT = "test_right.npy"
TEST_RESAMPLED = "test_resampled.npz"
