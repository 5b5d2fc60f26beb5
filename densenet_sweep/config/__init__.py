"""The config: its schema, its checks, how it is composed, and a run's config as a file. Imports no torch."""
