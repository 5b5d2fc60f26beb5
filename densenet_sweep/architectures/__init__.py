"""The networks, and what follows from their arguments; no torch is imported here, so that a config is checked at once."""
