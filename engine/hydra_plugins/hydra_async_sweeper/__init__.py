"""What Hydra finds of densenet_sweep: thin shells, which import the engine when they are used."""
