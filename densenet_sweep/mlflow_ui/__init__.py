"""A study's saved views in MLflow's UI."""
