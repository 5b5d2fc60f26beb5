"""`python -m densenet_sweep.data.fetch NAME ROOT`: download a supplied data set unless it is there."""

import sys

from densenet_sweep.data import sources

if __name__ == "__main__":
    try:
        getattr(sources, sys.argv[1])(sys.argv[2], download=True)
    except OSError as error:
        sys.exit(str(error))
