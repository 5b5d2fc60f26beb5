"""Trained models: found by name, classifying pictures, exported for other programs."""
