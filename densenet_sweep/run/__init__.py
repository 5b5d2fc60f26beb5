"""One run: assembled in `train`, continued, recorded, and reported to its sweep."""
