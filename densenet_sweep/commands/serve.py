"""`densenet-sweep serve [URL]`: a proxy before the database of a study, so that many workers need few connections to it."""

import os

from hydra_async_sweeper.application import SweepError, check_password, redacted
from hydra_async_sweeper.serve import serve

from densenet_sweep.config.command_line import Parser
from densenet_sweep.config.tracking_uri import advice


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("serve", __doc__)
    arguments.add_argument("url", nargs="?", metavar="URL", help="the database; $DENSENET_SWEEP_STORAGE unless given")
    arguments.add_argument(
        "--host", default="localhost", help="where to listen; the proxy asks nobody for a password (localhost)"
    )
    arguments.add_argument("--port", type=int, default=13000, help="(13000)")
    return arguments


def main(arguments: list[str]) -> None:
    """Serve the storage that `arguments` name until Ctrl-C.

    Raises:
        SweepError: no storage, one that cannot be used, or a port that is taken or invalid.
    """
    parsed = parser().parse_intermixed_args(arguments)
    if not 0 < parsed.port < 2**16:
        raise SweepError(f"--port {parsed.port}: a whole number from 1 to 65535 is accepted")
    url = parsed.url or os.environ.get("DENSENET_SWEEP_STORAGE")
    if url is None:
        raise SweepError("serve: no storage; a URL as argument, or in DENSENET_SWEEP_STORAGE, is accepted")
    check_password(url, "URL", advice)

    def announce() -> None:
        print(f"serving {redacted(url)} on {parsed.host}:{parsed.port}; on each machine:", flush=True)
        print(f"  export DENSENET_SWEEP_PROXY={parsed.host}:{parsed.port}; densenet-sweep storage=grpc sweep=...", flush=True)

    serve(url, parsed.host, parsed.port, on_ready=announce)
