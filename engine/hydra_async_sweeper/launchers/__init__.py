"""Where workers run: processes of this machine, or any Hydra launcher that the application uses."""
