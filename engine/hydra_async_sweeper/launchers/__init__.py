"""Where workers run: processes of this machine, or whatever launcher of Hydra's the application uses."""
