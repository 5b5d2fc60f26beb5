"""All that is to be known of a GPU in some minutes: does it compute what the processor does, how fast, in how much memory.

    python benchmarks/gpu.py --minutes 8 --out FOLDER

It runs from a checkout with torch and torchvision alone; without a GPU it rehearses itself in miniature. The steps of
`gpu_steps.py` run in order of worth, in a process that is replaced where a step kills or hangs it. A step that fails is a row
with its reason, and the next one runs. After every row FOLDER/gpu.txt and FOLDER/gpu.json are whole, so nothing is lost when
the time is up. The exit code is 1 where a check does not hold or a step failed.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # a checkout need not be installed

WORKER = (sys.executable, __file__)


def main() -> None:
    """Run the steps until the time is up; with `--worker`, the named ones, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8, help="after which no step runs any more (8)")
    parser.add_argument("--step-minutes", type=float, default=2, help="after which a step is ended (2)")
    parser.add_argument("--steps", nargs="+", metavar="WORD", help="only those whose names contain one of these words")
    parser.add_argument("--out", type=Path, default=Path("gpu-results"), help="folder of the results (gpu-results)")
    parser.add_argument("--rehearse", action="store_true", help="in miniature, also on a GPU")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker, rehearse=arguments.rehearse)
        return
    import gpu_steps

    names = [name for name in gpu_steps.STEPS if not arguments.steps or any(word in name for word in arguments.steps)]
    if not names:
        parser.error(f"--steps {' '.join(arguments.steps)}: a word of these is accepted: {', '.join(gpu_steps.STEPS)}")
    rehearse = arguments.rehearse or gpu_steps.device().type == "cpu"
    results = Results(arguments.out, machine(rehearse=rehearse))
    until = time.monotonic() + 60 * arguments.minutes
    for row in rows(names, until=until, step_seconds=60 * arguments.step_minutes, rehearse=rehearse):
        results.add(row)
    print(f"{results.folder / 'gpu.txt'}, {results.folder / 'gpu.json'}")
    sys.exit(any(row["status"] == "failed" for row in results.rows))


def machine(*, rehearse: bool) -> dict[str, Any]:
    """Return a description of the machine that the figures are from."""
    import torch
    import torchvision

    is_gpu = torch.cuda.is_available()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    return {
        "device": torch.cuda.get_device_name() if is_gpu else f"{platform.machine()}, {torch.get_num_threads()} threads",
        "memory_bytes": torch.cuda.get_device_properties(0).total_memory if is_gpu else None,
        "capability": list(torch.cuda.get_device_capability()) if is_gpu else None,
        "rehearsal": rehearse,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if is_gpu else None,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "commit": commit.stdout.strip() or None,
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


class Results:
    """The rows so far, printed as they come, and as a table and as JSON in two files that are always whole."""

    def __init__(self, folder: Path, taken_on: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self._taken_on = taken_on
        self._title = "rehearsal, no measurement: " if taken_on["rehearsal"] else ""
        self._title += ", ".join(
            f"{key} {value}" for key, value in taken_on.items() if value is not None and key != "rehearsal"
        )
        print(self._title, flush=True)
        self._write()

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row."""
        self.rows.append(row)
        print(_line(row), flush=True)
        self._write()

    def _write(self) -> None:
        text = "\n".join([self._title, *map(_line, self.rows)]) + "\n"
        content = json.dumps({"machine": self._taken_on, "rows": self.rows}, indent=1)
        for name, whole in (("gpu.txt", text), ("gpu.json", content)):
            path = self.folder / f".{name}"
            path.write_text(whole, encoding="utf-8")
            path.replace(self.folder / name)


def _line(row: dict[str, Any]) -> str:
    value = "" if row["value"] is None else f"{row['value']:,.4g}" if row["value"] < 1000 else f"{row['value']:,.0f}"
    figure = f"{value:>9} {row['unit']:<11}" if row["status"] == "ok" else f"{row['status'].upper():>9} {'':<11}"
    return f"{row['step'][:26]:<26} {row['what'][:62]:<62} {figure} {row['note']}".rstrip()


def rows(names: list[str], *, until: float, step_seconds: float, rehearse: bool) -> Iterator[dict[str, Any]]:
    """Yield the rows of these steps as they come, and one for each that failed or for which there was no time.

    Args:
        names: of steps, in order.
        until: when to end, on the monotonic clock.
        step_seconds: limit for one step.
        rehearse: whether to run in miniature.
    """
    waiting = list(names)
    while waiting and time.monotonic() < until:
        with _Worker(waiting, rehearse=rehearse) as worker:
            # The process' start counts as the first step's. Between two steps, none runs.
            step: str | None = waiting[0]
            began = time.monotonic()
            while event := worker.next(min(until, began + step_seconds) - time.monotonic()):
                if "begun" in event:
                    step, began = event["begun"], time.monotonic()
                elif "done" in event:
                    waiting.remove(event["done"])
                    if event["reason"]:
                        yield _row(event["done"], "failed", note=event["reason"])
                    step = None
                elif "end" in event:
                    if step is not None:
                        waiting.remove(step)
                        yield _row(step, "failed", note=event["end"])
                    break
                else:
                    assert step is not None
                    yield _row(step, "ok", **event)
            else:
                if step is not None and time.monotonic() < until:
                    waiting.remove(step)
                    yield _row(step, "failed", note=f"ended after {step_seconds:g} s")
    for name in waiting:
        yield _row(name, "late", note="the time was up")


def _row(
    step: str, status: str, *, what: str = "", value: float | None = None, unit: str = "", note: str = ""
) -> dict[str, Any]:
    return {"step": step, "status": status, "what": what, "value": value, "unit": unit, "note": note}


class _Worker:
    """A process that runs steps and reports in lines of JSON; killed, with its children, at the end of the block."""

    def __init__(self, names: list[str], *, rehearse: bool) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed in __exit__
        command = [*WORKER, "--worker", *names, *(["--rehearse"] if rehearse else [])]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._errors, text=True, start_new_session=True
        )
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                if line.startswith("{"):  # a library may print, too
                    self._events.put(json.loads(line))
        self._events.put(None)

    def next(self, seconds: float) -> dict[str, Any] | None:
        """Return the next event, `end` with a reason after the last one, or None on a timeout."""
        try:
            event = self._events.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None
        if event is not None:
            return event
        self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip()]
        return {"end": f"the process ended with {self._process.returncode}: {lines[-1] if lines else 'without a word'}"}

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):  # its children too, which may have outlived it
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        self._errors.close()


def work(names: list[str], *, rehearse: bool) -> None:
    """Run steps in this process and print their rows; end it where a failed step has left the device unusable."""
    import gpu_steps
    import torch

    size = gpu_steps.REHEARSAL if rehearse else gpu_steps.FULL
    for name in names:
        _say({"begun": name})
        reason = ""
        try:
            for row in gpu_steps.STEPS[name](size):
                _say(dataclasses.asdict(row))
        except Exception as error:
            reason = _one_line(error)
        _say({"done": name, "reason": reason})
        if torch.cuda.is_available():
            if reason:
                torch.cuda.synchronize()  # after some errors every call raises: a new process then continues
            torch.cuda.empty_cache()


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300]


def _say(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
