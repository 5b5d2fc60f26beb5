"""The Hydra callbacks of a sweep and of single runs, and what they share; `conf/config.yaml` lists them."""
