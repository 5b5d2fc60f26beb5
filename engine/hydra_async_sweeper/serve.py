"""`python -m hydra_async_sweeper.serve`: Optuna's proxy before the database in `$SWEEP_STORAGE`, for very many workers."""

import argparse
import os
import sys

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study.grpc_proxy import serve
from hydra_async_sweeper.study.passwords import redacted, scrubbed

__all__ = ["main", "serve"]


def main() -> None:
    """Serve until Ctrl-C; workers use `hydra.sweeper.storage=grpc://HOST:PORT`."""
    parser = argparse.ArgumentParser(prog="python -m hydra_async_sweeper.serve", description=__doc__)
    parser.add_argument("--host", default="localhost", help="where to listen; the proxy asks nobody for a password (localhost)")
    parser.add_argument("--port", type=int, default=13000, help="(13000)")
    parsed = parser.parse_args()
    url = os.environ.get("SWEEP_STORAGE")
    if url is None:
        sys.exit("serve: no storage; its URL in the variable SWEEP_STORAGE is accepted")

    def announce() -> None:
        sys.stdout.write(f"serving {redacted(url)} at grpc://{parsed.host}:{parsed.port}\n")
        sys.stdout.flush()

    try:
        serve(url, parsed.host, parsed.port, on_ready=announce)
    except SweepError as error:
        sys.exit(scrubbed(str(error)))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
