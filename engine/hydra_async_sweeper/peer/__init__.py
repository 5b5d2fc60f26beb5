"""What configs and scripts of hydra-optuna-sweeper expect."""
