"""A study as pictures and as one HTML file."""
