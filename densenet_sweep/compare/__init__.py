"""What came out of sweeps: the leaderboard of a study, and the MLflow UI on the project's store."""
