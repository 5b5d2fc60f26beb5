"""What each worker did when: its trials by state, the gaps between them, promotions, and attempts that ended early."""

import datetime
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from densenet_sweep.counts import counted
from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Curves, Line, Mark, Panel, Picture, Points, Symbol
from densenet_sweep.report.pictures.subject import STYLES, Subject
from densenet_sweep.results.formatting import duration
from densenet_sweep.results.study import Attempt, State, Study, Trial

_MOST_WORKERS = 30
# Attempts beyond so many have no hover texts, which would make up most of the page.
_MOST_ABOUT = 3000
# A pause without any worker that is longer than this share of the time with one, and than so many seconds, is cut out.
_PAUSE, _SHORTEST_PAUSE = 0.1, 60.0
_WIDTH = 11.0

_COLOURS: dict[State, str] = {**{state: colour for state, (colour, _) in STYLES.items()}, "running": theme.SKY}
_UNITS = (("hours", 3600.0, 7200.0), ("minutes", 60.0, 180.0), ("seconds", 1.0, 0.0))

_Worker = tuple[str, int, float | None]


@dataclass(frozen=True)
class _Stay:
    """An attempt at a trial: the `index`-th of `count`."""

    trial: Trial
    attempt: Attempt
    index: int
    count: int

    @property
    def worker(self) -> _Worker:
        return self.attempt.host, self.attempt.pid, self.attempt.process_start

    @property
    def is_last(self) -> bool:
        return self.index == self.count - 1


def timeline(subject: Subject) -> Picture | None:
    """Return a row for each worker with its trials as bars; None where no trial says who ran it."""
    stays = [
        _Stay(trial, attempt, index, len(trial.attempts))
        for trial in sorted([*subject.trials, *subject.running], key=lambda it: it.number)
        for index, attempt in enumerate(trial.attempts)
    ]
    if not stays:
        return None
    workers = _by_worker(stays)
    shown = dict(sorted(sorted(workers.items(), key=lambda it: -_busy(it[1]))[:_MOST_WORKERS], key=lambda it: _first(it[1])))
    clock = _Clock([stay.attempt for stays in shown.values() for stay in stays])
    rows = {worker: float(len(shown) - 1 - index) for index, worker in enumerate(shown)}
    names = _names(shown)
    ticks = tuple((rows[worker], names[worker]) for worker in reversed(shown))
    unit, seconds = next((unit, length) for unit, length, least in _UNITS if clock.total >= least)
    x = Axis(f"{unit} since the first start", limits=(-0.01 * clock.total / seconds, 1.01 * clock.total / seconds))
    y = Axis("", limits=(-0.6, len(shown) - 0.4), ticks=ticks, is_rows=True)

    def place(time: datetime.datetime) -> float:
        return clock.place(time) / seconds

    drawn = [stay for stays in shown.values() for stay in stays]
    marks = (*_cuts(clock, seconds, len(shown)), *_bars(subject, drawn, rows, place), *_events(subject, drawn, rows, place))
    return Picture("timeline", _title(workers, shown), _note(workers, subject) + clock.remark(), (Panel(x, y, marks),))


def _by_worker(stays: Sequence[_Stay]) -> dict[_Worker, list[_Stay]]:
    found: dict[_Worker, list[_Stay]] = {}
    for stay in stays:
        found.setdefault(stay.worker, []).append(stay)
    return found


def _busy(stays: Sequence[_Stay]) -> float:
    return sum(_seconds(it.attempt.end - it.attempt.start) for it in stays)


def _first(stays: Sequence[_Stay]) -> datetime.datetime:
    return min(it.attempt.start for it in stays)


def _seconds(span: datetime.timedelta) -> float:
    return max(span.total_seconds(), 0.0)


class _Clock:
    """Seconds since the first start, without long pauses in which no worker ran anything."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        spans = sorted((it.start, max(it.end, it.start)) for it in attempts)
        merged = [list(spans[0])]
        for start, end in spans[1:]:
            if start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([start, end])
        running = sum(_seconds(end - start) for start, end in merged)
        longest = max(_PAUSE * running, _SHORTEST_PAUSE)
        self._first = merged[0][0]
        self.pauses: list[tuple[float, float]] = []  # the place of each, and its seconds
        self._cuts: list[tuple[datetime.datetime, float]] = []  # after each of these times, so many seconds are cut out
        cut = 0.0
        for (_, end), (start, _) in itertools.pairwise(merged):
            pause = _seconds(start - end)
            if pause > longest:
                self.pauses.append((_seconds(end - self._first) - cut + 0.01 * running, pause))
                cut += pause - 0.02 * running
                self._cuts.append((start, cut))
        self.total = (_seconds(merged[-1][1] - self._first) - cut) or 1.0

    def place(self, time: datetime.datetime) -> float:
        """Return the seconds until `time`, at which some worker runs."""
        return _seconds(time - self._first) - max((cut for since, cut in self._cuts if time >= since), default=0.0)

    def remark(self) -> str:
        """Return a sentence about what is cut out; empty if nothing is."""
        if not self.pauses:
            return ""
        total = duration(sum(seconds for _, seconds in self.pauses), in_words=True)
        return f" Cut out (dashed): {counted(len(self.pauses), 'pause')} without any worker, {total} in all."


def _names(workers: dict[_Worker, list[_Stay]]) -> dict[_Worker, str]:
    has_hosts = len({host for host, _, _ in workers}) > 1
    names = {}
    for index, (worker, stays) in enumerate(workers.items(), start=1):
        gpu = stays[0].attempt.gpu
        names[worker] = f"{worker[0] if has_hosts else 'worker'} {index}{f', GPU {gpu}' if gpu else ''}"
    return names


def _cuts(clock: _Clock, seconds: float, num_rows: int) -> list[Mark]:
    ends = [-0.6, num_rows - 0.4]
    return [Line([at / seconds] * 2, ends, theme.GREY, width=1.0, is_dashed=True) for at, _ in clock.pauses]


def _bars(
    subject: Subject, stays: Sequence[_Stay], rows: dict[_Worker, float], place: Callable[[datetime.datetime], float]
) -> list[Mark]:
    marks: list[Mark] = []
    hair = 0.0006 * max(place(stay.attempt.end) for stay in stays)  # between a trial and the next
    for state, colour in _COLOURS.items():
        found = [stay for stay in stays if stay.trial.state == state]
        paths: list[tuple[Sequence[float], Sequence[float]]] = []
        for stay in found:
            start, end = place(stay.attempt.start), place(max(stay.attempt.end, stay.attempt.start))
            end -= hair if end - start > 4 * hair else 0.0
            paths.append(([start, (start + end) / 2, end], [rows[stay.worker]] * 3))
        about = [_about(subject, stay) for stay in found] if len(stays) <= _MOST_ABOUT else []
        if found:
            marks.append(
                Curves(paths, colour, state, width=_WIDTH, opacity=1.0, about=about, ids=[it.trial.number for it in found])
            )
    return marks


def _events(
    subject: Subject, stays: Sequence[_Stay], rows: dict[_Worker, float], place: Callable[[datetime.datetime], float]
) -> list[Mark]:
    """Return the marks of promotions, at their starts, and of attempts that ended before their trials, at their ends."""
    promoted = [(it, it.attempt.start) for it in stays if it.trial.promoted_from is not None and it.index == 0]
    left = [(it, it.attempt.end) for it in stays if not it.attempt.died and not it.is_last]
    died = [(it, it.attempt.end) for it in stays if it.attempt.died]
    marks: list[Mark] = []
    events: tuple[tuple[list[tuple[_Stay, datetime.datetime]], str, str, Symbol, float], ...] = (
        (promoted, theme.GREEN, "continues a promoted trial", "diamond", 6.5),
        (left, theme.GREY, "interrupted, continued later", "ring", 8.0),
        (died, theme.RED, "its worker died, or its task exited", "cross", 8.0),
    )
    for found, colour, name, symbol, size in events:
        if found:
            x, y = [place(time) for _, time in found], [rows[it.worker] for it, _ in found]
            about, ids = [_about(subject, it) for it, _ in found], [it.trial.number for it, _ in found]
            edge = "#ffffff" if symbol == "diamond" else None
            marks.append(Points(x, y, colour, name, symbol, size, 1.0, about, edge, ids))
    return marks


def _about(subject: Subject, stay: _Stay) -> str:
    attempt = stay.attempt
    gpu = f", GPU {attempt.gpu}" if attempt.gpu else ""
    nth = f"attempt {stay.index + 1} of {stay.count}: " if stay.count > 1 else ""
    span = f"{attempt.start:%m-%d %H:%M:%S} to {attempt.end:%m-%d %H:%M:%S}"
    source = "" if stay.trial.promoted_from is None else f"continues trial {stay.trial.promoted_from}\n"
    return f"{subject.about(stay.trial)}\n{source}{nth}{span}\n{attempt.host}, process {attempt.pid}{gpu}"


def _title(workers: dict[_Worker, list[_Stay]], shown: dict[_Worker, list[_Stay]]) -> str:
    of_all = counted(len(workers), "worker")
    return (
        f"Trials by worker and time: the {len(shown)} busiest of {of_all}"
        if len(shown) < len(workers)
        else (f"Trials by worker and time: {of_all}")
    )


def _note(workers: dict[_Worker, list[_Stay]], subject: Subject) -> str:
    clock = _Clock([stay.attempt for stays in workers.values() for stay in stays])
    busy = sum(map(_busy, workers.values()))
    there = sum(clock.place(max(it.attempt.end for it in stays)) - clock.place(_first(stays)) for stays in workers.values())
    share = (
        f"busy {min(busy / there, 1):.0%} of the time from their first start to their last end".replace("%", " %")
        if there
        else ""
    )
    trials = [*subject.trials, *subject.running]
    unknown = sum(not it.attempts and it.is_own and it.start is not None for it in trials)
    rest = f" {counted(unknown, 'trial')} of an earlier version without this record {'is' if unknown == 1 else 'are'} left out."
    own = "The worker was" if len(workers) == 1 else "Workers were"
    share = share.replace("their", "its") if len(workers) == 1 else share
    return f"A bar is a trial. {own} {share}: gaps are waiting, or starting.{rest if unknown else ''}"


def why_missing(study: Study) -> str:
    """Return why there is no time line; empty if there is one, or nothing to show."""
    trials = [it for it in study.begun if it.is_own]
    if not trials or any(it.attempts for it in trials):
        return ""
    return "There is no time line of the workers: an earlier version ran these trials, or only their runs in MLflow are known."
