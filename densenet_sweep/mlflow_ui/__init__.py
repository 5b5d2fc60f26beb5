"""MLflow's UI on the project's store, and the views of a study that wait there."""
