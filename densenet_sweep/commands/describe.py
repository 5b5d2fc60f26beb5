"""`densenet-sweep describe [overrides] [--json]`: what a network is and costs, without data, training or tracking."""

import json

from densenet_sweep.config import composition
from densenet_sweep.config.command_line import Parser


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("describe", __doc__)
    arguments.add_argument("overrides", nargs="*", metavar="key=value", help="overrides, as for a training run")
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    return arguments


def main(arguments: list[str]) -> None:
    """Print parameters, multiply-accumulates, feature maps and activation memory of the configured network.

    Raises:
        ValueError: bad overrides; nothing has been printed then.
    """
    parsed = parser().parse_intermixed_args(arguments)
    config = composition.typed(composition.compose(parsed.overrides))

    from densenet_sweep.architectures.description import describe, render
    from densenet_sweep.run.train import build_network

    description = describe(build_network(config), image_size=config.data.image_size, batch_size=config.batch_size)
    print(json.dumps(description.as_dict(), indent=2) if parsed.json else render(description))
