"""What a run has trained, as a classifier: found by its name, exported, and asked about pictures."""
