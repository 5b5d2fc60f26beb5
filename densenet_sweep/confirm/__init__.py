"""The finalists of a study trained again and tested once: what they are, what their runs say, and the champion."""
