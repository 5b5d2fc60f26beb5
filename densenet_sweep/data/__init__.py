"""Images: read from files as uint8 tensors, split, and served in seeded, augmented batches."""
