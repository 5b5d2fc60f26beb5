"""What a notebook or a program of one's own uses; `densenet_sweep` exports it, and the command line needs none of it."""
