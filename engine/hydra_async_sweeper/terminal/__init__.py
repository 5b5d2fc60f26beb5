"""What a sweep shows on a terminal while it runs."""
