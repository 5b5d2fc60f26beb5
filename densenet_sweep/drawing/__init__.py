"""Pictures as values, drawn as files (`png`) or for a browser (`interactive`); knows neither studies nor runs."""
