"""One run's record, MLflow's or none, and the runs of a sweep. MLflow itself is imported only where a run is recorded."""
