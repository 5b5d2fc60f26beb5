"""The engine's Hydra plugins: thin shells, which import it when they are used."""
