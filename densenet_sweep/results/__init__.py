"""A study's results as frozen values; everything that ranks, draws or prints a study works on these."""
