"""One run's record: MLflow's, or none. MLflow itself is imported only where a run is recorded."""
