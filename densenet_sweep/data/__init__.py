"""Images: from files to uint8 tensors, split, and shown in seeded, augmented batches."""
