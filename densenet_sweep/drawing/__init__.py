"""Pictures as values, drawn as files (`png`) or for a browser (`interactive`); knows neither studies nor runs."""

import logging

# That its folder cannot be written costs Matplotlib some seconds, and the user nothing to do.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
