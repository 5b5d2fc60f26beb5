"""What Hydra finds of the engine: thin shells, which import it when they are used."""
