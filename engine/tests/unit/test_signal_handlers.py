"""Handlers of a process's own, seen from the processes that it forks."""

import subprocess
import sys

# In a process of its own: pytest's has threads, with which Python warns of a fork.
PROGRAM = """
import os, signal, time
from signal import SIGINT, SIGTERM, SIGUSR1
from hydra_async_sweeper.signal_handlers import installed

noted = []

def note(number, frame):
    noted.append(number)

def forked(*numbers):
    pid = os.fork()
    if pid == 0:
        try:
            time.sleep(20)
        except KeyboardInterrupt:
            os._exit(3)
        os._exit(7)
    for number in numbers:
        os.kill(pid, number)
        time.sleep(1.0 if len(numbers) > 1 else 0)  # so that a busy machine does not take two requests for one
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

signal.signal(SIGINT, signal.default_int_handler)  # a shell's background processes ignore it
before = [signal.getsignal(number) for number in (SIGINT, SIGTERM, SIGUSR1)]
with installed({SIGTERM: note, SIGUSR1: note}), installed({SIGINT: note, SIGTERM: note}):
    assert forked(SIGTERM) == -SIGTERM
    assert forked(SIGUSR1) == -SIGUSR1
    assert forked(SIGINT, SIGTERM) == -SIGTERM  # a terminal's Ctrl-C leaves a task the processes of its last step
    assert forked(SIGINT, SIGINT) == 3
    signal.signal(SIGUSR1, signal.SIG_IGN)  # the task's own
    assert forked(SIGUSR1, SIGTERM) == -SIGTERM
    assert noted == []
    for count, number in enumerate((SIGINT, SIGTERM), start=1):
        os.kill(os.getpid(), number)
        end = time.monotonic() + 10
        while len(noted) < count and time.monotonic() < end:  # another thread may have received it
            time.sleep(0.01)
    assert noted == [SIGINT, SIGTERM]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
assert before == [signal.getsignal(number) for number in (SIGINT, SIGTERM, SIGUSR1)]
print("done")
"""


def test_what_a_process_forks_has_the_handlers_of_before():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("done\n", "", 0)
