"""What is searched: read from the config's and the command line's sweep overrides."""
