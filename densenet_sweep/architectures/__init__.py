"""The networks, and what follows from their arguments; this file imports no torch, so that a config is checked at once."""
