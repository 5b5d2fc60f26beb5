"""Searches replayed on tasks whose learning curves are known, scored by normalised regret: `benchmarks/search_regret.py`."""
