"""Programs in processes of their own that are forked from one with the imports done: much of a small program's time is imports.

A `Forked` is used as a `subprocess.Popen` is. The server that forks them is this file, run by `Forks`.
"""

import atexit
import gc
import importlib
import io
import os
import pickle
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_MOST_BYTES = 1 << 20


class Forked:
    """A Python program: its output, standard error included, is the text `stdout`; killed if its block fails."""

    def __init__(self, pid: int, output: int, ended: int) -> None:
        self.pid = pid
        self.stdout = io.TextIOWrapper(io.FileIO(output), encoding="utf-8", errors="replace")
        self.returncode: int | None = None
        self._ended = ended

    def poll(self) -> int | None:
        """Return the exit code, the negative number of the signal that ended it, or None while it runs."""
        if self.returncode is None:
            try:
                self.wait(0.0)
            except subprocess.TimeoutExpired:
                return None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return what `poll` does as soon as it has ended.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        if self.returncode is None:
            with socket.socket(fileno=os.dup(self._ended)) as ended:
                ended.settimeout(timeout)
                try:
                    self.returncode = int(ended.recv(16))
                except (TimeoutError, BlockingIOError):
                    raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0) from None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float) -> tuple[str, None]:
        """Return the rest of its output as soon as it has ended; it is killed after `timeout` seconds."""
        limit = threading.Timer(timeout, self.kill)
        limit.start()
        try:
            with self.stdout:
                said = self.stdout.read()
            self.wait()
        finally:
            limit.cancel()
        return said, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None and self.poll() is None:
            self.kill()
            sys.stderr.write(f"the program had printed:\n{self.communicate(10.0)[0]}")
        self.stdout.close()
        self.wait()
        os.close(self._ended)


class Forks:
    """The server from which programs are forked."""

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it.

        Args:
            modules: to import once, those that are installed.
            environment: of the server; what a module reads when it is imported must be in it.
        """
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # requests stay whole
        with theirs:
            words = [sys.executable, __file__, str(theirs.fileno()), *modules]
            self._process = subprocess.Popen(words, env=dict(environment), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])

    def start(self, *words: str, folder: Path, environment: Mapping[str, str]) -> Forked:
        """Start `python WORDS` in `folder`: a script or `-m MODULE`, and its arguments."""
        output, theirs = os.pipe()
        ours, ended = socket.socketpair()
        with ended:
            request = pickle.dumps((words, str(folder), dict(environment)))
            socket.send_fds(self._socket, [request], [theirs, ended.fileno()])
        os.close(theirs)
        return Forked(int(self._socket.recv(16)), output, ours.detach())

    def run(self, *words: str, folder: Path, environment: Mapping[str, str], timeout: float = 300.0) -> tuple[int, str]:
        """Run it to its end; return its exit code and what it printed."""
        with self.start(*words, folder=folder, environment=environment) as program:
            said, _ = program.communicate(timeout)
        return program.wait(), said

    def close(self) -> None:
        """End the server; programs that run are not ended."""
        self._socket.close()
        self._process.wait()


def _serve(requests: socket.socket, modules: Sequence[str]) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            continue
    gc.collect()
    gc.freeze()
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _report(running)
        if requests in ready:
            request, fds, _, _ = socket.recv_fds(requests, _MOST_BYTES, 2)
            if not request:
                return
            pid = os.fork()
            if pid == 0:
                for inherited in (requests, woken, wake, *running.values()):
                    inherited.close()
                os.close(fds[1])
                _become(*pickle.loads(request), output=fds[0])
            os.close(fds[0])
            running[pid] = socket.socket(fileno=fds[1])
            requests.send(str(pid).encode())


def _report(running: dict[int, socket.socket]) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with running.pop(pid) as waiting, suppress(OSError):  # nobody waits any longer
                waiting.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(words: Sequence[str], folder: str, environment: Mapping[str, str], *, output: int) -> None:
    """Run the program in this process and end as Python does; never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        code = _run(words, folder)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    finally:
        if code == -signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(code)


def _run(words: Sequence[str], folder: str) -> int:
    is_module = words[0] == "-m"
    sys.argv = list(words[is_module:])
    sys.path[0] = folder if is_module else str(Path(words[0]).parent.resolve())
    try:
        if is_module:
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as stop:
        return _exit_code(stop)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    sys.stderr.write(f"{stop.code}\n")
    return 1


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
