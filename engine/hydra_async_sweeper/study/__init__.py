"""The study: its definition, its storage, its budget, and how samplers and pruners are built."""
