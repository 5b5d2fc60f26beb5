"""The Hydra callbacks of a sweep, one file each; `conf/config.yaml` lists them in the order in which they are called."""
