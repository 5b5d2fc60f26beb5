"""The subcommands, one file each, and what they share: their arguments and the hints that they print."""
