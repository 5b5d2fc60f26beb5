"""The command `densenet-sweep`: owns the exit code and what the user sees of an error or an interruption."""

import os
import select
import signal
import sys


def main() -> None:
    """Run the command line in `sys.argv` and exit: 0 after success, 1 after an error, 130 after an interruption."""
    if sys.platform == "win32":
        sys.exit("densenet-sweep: error: Windows is not supported; WSL 2 runs it")
    # Hydra prints errors itself unless HYDRA_FULL_ERROR is set; a traceback is shown only if the user has set it.
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # SIGTERM (from a scheduler or a closed session) is handled like Ctrl-C, and leaves the same consistent state.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Imported here, as Ctrl-C may come meanwhile.
        from densenet_sweep.commands.arguments import with_home
        from densenet_sweep.dispatch import dispatch
        from densenet_sweep.run.quick_end import end_quickly

        end_quickly()
        try:
            sys.argv[1:] = with_home(sys.argv[1:])
            dispatch(sys.argv[1:])
        finally:
            if sys.stdout is not None:  # it is None if the shell has closed it
                sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_has_gone():
            # As Python's documentation advises: at its end Python flushes once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        if wants_traceback:
            raise
        from hydra_async_sweeper.application import scrubbed

        from densenet_sweep.commands import completion
        from densenet_sweep.config import errors

        if completion.is_completion(sys.argv[1:]):  # a message would appear in the line being typed
            sys.exit(1)
        print(f"densenet-sweep: error: {scrubbed(errors.one_line(error))}", file=sys.stderr)
        sys.exit(1)


def _reader_has_gone() -> bool:
    """Return whether what read standard output has ended, as `head` does; a server's connection may break, too."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0))


if __name__ == "__main__":
    main()
