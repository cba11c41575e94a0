"""When every beat moves: a timed Kahn network of the pipeline, evaluated at the granularity of stream beats.

Each kernel is a process that takes beats from bounded channels (the FIFOs) and puts beats into others, at the
cycles that the kernel's contract states (docs/kernels.md). Two facts make this an analysis rather than a
simulation:

- A Kahn network with bounded channels ends the same way in every order of evaluation, so whether it deadlocks
does not
  depend on time at all: if the model completes a window after the ring buffers have been full once, the
  design, with the same capacities, completes it under any stalls.
- All times are maxima and sums of other times (max-plus), so one pass over the beats gives the exact
schedule.

The steady period and the latency are read off the model; cosimulation holds it to the hardware within 2 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

#: Windows, at most, in which a pipeline fills.
SETTLING = 16
#: A process advances until it needs a beat or a place that is not there yet, and then yields the channel.
Process = Iterator["Channel"]
#: Makes the process of a stage for a number of windows.
Factory = Callable[[int], Process]


class DeadlockError(RuntimeError):
    """The network stopped: some channel is too small. `full` names the full channels."""

    def __init__(self, full: tuple[str, ...]) -> None:
        self.full = full
        super().__init__("no process can advance; full channels: " + ", ".join(full))


@dataclass(slots=True)
class Channel:
    """A FIFO of `depth` beats (None: unbounded) with a latency of one cycle.

    puts, takes: cycle in which each beat entered and left.
    """

    name: str
    depth: int | None = None
    latency: int = 1
    puts: list[int] = field(default_factory=list)
    takes: list[int] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """The next beat is not known yet: the reader must wait."""
        return len(self.puts) <= len(self.takes)

    def wait(self) -> Iterator[Channel]:
        """Wait until the next beat exists."""
        while len(self.puts) <= len(self.takes):
            yield self

    def head(self, ready: int) -> int:
        """The cycle in which the next beat can leave, for a reader that is ready from `ready` on."""
        arrived = self.puts[len(self.takes)] + self.latency
        return max(arrived, ready)

    def put(self, time: int) -> Iterator[Channel]:
        """Wait for a free place; the caller then reads the cycle of the put from `puts[-1]`."""
        if self.depth is not None:
            index = len(self.puts) - self.depth
            if index >= 0:
                while len(self.takes) <= index:
                    yield self
                freed = self.takes[index] + 1
                time = max(freed, time)
        self.puts.append(time)

    @property
    def occupancy(self) -> int:
        """The most beats held at once."""
        most = taken = 0
        for count, put in enumerate(self.puts, start=1):
            while taken < len(self.takes) and self.takes[taken] <= put:
                taken += 1
            most = max(most, count - taken)
        return most


def source(out: Channel, beats: int) -> Factory:
    """The host: one beat a cycle."""

    def run(windows: int) -> Process:
        now = 0
        for _ in range(windows * beats):
            yield from out.put(now)
            now = out.puts[-1] + 1

    return run


def sink(channel: Channel, beats: int) -> Factory:
    """The host: always ready."""

    def run(windows: int) -> Process:
        for _ in range(windows * beats):
            if channel.empty:
                yield from channel.wait()
            channel.takes.append(channel.head(0))

    return run


def elementwise(inputs: tuple[Channel, ...], outputs: tuple[Channel, ...], beats: int, latency: int) -> Factory:
    """One beat of every input makes one beat of every output (threshold, add)."""

    def run(windows: int) -> Process:
        now = 0
        for _ in range(windows * beats):
            for channel in inputs:
                if channel.empty:
                    yield from channel.wait()
                now = channel.head(now)
            for channel in inputs:
                channel.takes.append(now)
            for channel in outputs:
                yield from channel.put(now + latency)
                now = max(now, channel.puts[-1] - latency)
            now += 1

    return run


def fork(inp: Channel, outputs: tuple[Channel, ...], beats: int) -> Factory:
    """Each output gets the beat in its own time; the input leaves with the last."""

    def run(windows: int) -> Process:
        now = 0
        for _ in range(windows * beats):
            if inp.empty:
                yield from inp.wait()
            now = inp.head(now)
            for channel in outputs:
                yield from channel.put(now)
            now = max(channel.puts[-1] for channel in outputs)
            inp.takes.append(now)
            now += 1

    return run


def gather(inp: Channel, out: Channel, counts: Callable[[], Iterator[tuple[int, int]]], latency: int) -> Factory:
    """Takes some beats, one a cycle, then puts some, one a cycle: width adapters, pools, argmax, pad.

    counts yields, for one window, (beats to take, beats to put after them); while more than one beat is put,
    nothing is taken. The first put is `latency` after the last take.
    """

    def run(windows: int) -> Process:
        now = 0
        for _ in range(windows):
            for takes, puts in counts():
                for _ in range(takes):
                    if inp.empty:
                        yield from inp.wait()
                    now = inp.head(now)
                    inp.takes.append(now)
                    now += 1
                for _ in range(puts):
                    yield from out.put(now - 1 + latency)
                    now = max(now, out.puts[-1] - latency + 1) + (puts > 1)

    return run


def widen(inp: Channel, out: Channel, beats_in: int, ratio: int) -> Factory:
    """A narrow-to-wide adapter: collects `ratio` beats in one register, which it must be rid of to begin anew."""

    def run(windows: int) -> Process:
        now = 0
        for _ in range(windows * beats_in // ratio):
            for part in range(ratio):
                if inp.empty:
                    yield from inp.wait()
                if part == 0 and out.puts:
                    while len(out.takes) < len(out.puts):
                        yield out
                    now = max(now, out.takes[-1])
                now = inp.head(now)
                inp.takes.append(now)
                now += 1
            yield from out.put(now)

    return run


def narrow(inp: Channel, out: Channel, beats_in: int, ratio: int) -> Factory:
    """A wide-to-narrow adapter: the wide beat is taken with its last part."""

    def run(windows: int) -> Process:
        now = 0
        for _ in range(windows * beats_in):
            if inp.empty:
                yield from inp.wait()
            now = inp.head(now)
            for _ in range(ratio):
                yield from out.put(now)
                now = out.puts[-1] + 1
            inp.takes.append(now - 1)

    return run


def interleave(a: Channel, b: Channel, out: Channel, pixels: int, chunks: tuple[int, int], latency: int) -> Factory:
    """Concatenation: per pixel, chunks of a, then chunks of b."""

    def run(windows: int) -> Process:
        now = 0
        for _ in range(windows * pixels):
            for channel, count in ((a, chunks[0]), (b, chunks[1])):
                for _ in range(count):
                    if channel.empty:
                        yield from channel.wait()
                    now = channel.head(now)
                    channel.takes.append(now)
                    yield from out.put(now + latency)
                    now = max(now + 1, out.puts[-1] - latency + 1)

    return run


def matrix_vector(inp: Channel, out: Channel, positions: int, sf: int, nf: int, latency: int) -> Factory:
    """An input-stationary bhc_mvu: every beat is used nf cycles, results come during the last of sf."""

    def run(windows: int) -> Process:
        now = 0
        for _ in range(windows * positions):
            for beat in range(sf):
                if inp.empty:
                    yield from inp.wait()
                now = inp.head(now)
                inp.takes.append(now)
                if beat < sf - 1:
                    now += nf
                else:
                    for _ in range(nf):
                        yield from out.put(now + latency)
                        now = max(now, out.puts[-1] - latency) + 1

    return run


@dataclass(frozen=True, slots=True)
class Ring:
    """Geometry of a ring buffer as the timing sees it: rows of an image, and how many each window row needs.

    rows, row_beats: of one image; images: of one window (an endless sequence has an image for each window row, which
    needs rows of the next ones). capacity: rows of memory. needed[oh]: rows that must be there before window
    row oh is read; released[oh]: rows that are free once window row oh has been read (the last releases the
    whole image).
    """

    rows: int
    row_beats: int
    capacity: int
    needed: tuple[int, ...]
    released: tuple[int, ...]
    images: int = 1


def ring_writer(inp: Channel, full: Channel, free: Channel, ring: Ring) -> Factory:
    """Writes rows while there is room."""

    def run(windows: int) -> Process:
        now = 0
        for row in range(windows * ring.images * ring.rows):
            if row >= ring.capacity:
                if free.empty:
                    yield from free.wait()
                now = free.head(now)
                free.takes.append(now)
            for _ in range(ring.row_beats):
                if inp.empty:
                    yield from inp.wait()
                now = inp.head(now)
                inp.takes.append(now)
                now += 1
            yield from full.put(now - 1)

    return run


def ring_reader(
    full: Channel,
    free: Channel,
    out: Channel,
    ring: Ring,
    columns: int,
    results: int,
    interval: int,
    latency: int,
) -> Factory:
    """Reads the windows of each window row: per column `results` output beats, one every `interval` cycles.

    latency: from the reading of the last beat of a result to the result.
    """

    def rows(upto: int, have: int, now: int) -> Process:
        for _ in range(upto - have):
            if full.empty:
                yield from full.wait()
            full.takes.append(full.head(now))

    def run(windows: int) -> Process:
        now = have = 0
        for _ in range(windows * ring.images):
            gone = 0
            for needed, released in zip(ring.needed, ring.released, strict=True):
                if have < needed:
                    yield from rows(needed, have, now)
                    have, now = needed, max(now, full.takes[-1])
                for _ in range(columns * results):
                    now += interval
                    yield from out.put(now - 1 + latency)
                    now = max(now, out.puts[-1] - latency + 1)
                if have < released:
                    yield from rows(released, have, now)
                    have, now = released, max(now, full.takes[-1])
                while gone < released:
                    # The read that frees a row happens two cycles before the word has been consumed.
                    yield from free.put(now - 2)
                    gone += 1
            have -= ring.rows

    return run


@dataclass(frozen=True, slots=True)
class Skips:
    """What bhc_delta does for which columns and windows (rtl/bhc_delta.sv says when).

    columns: of one window or hop. length: columns of a history, 0 if it never ends. intake: cycles of every beat of
    every column; turns: cycles of a turn of every window of every history, early ones included. Both begin anew where
    they end. early, stride, reach: see bhc.ir.delta.Geometry. keep: columns that are kept.
    """

    columns: int
    length: int
    intake: list[list[int]]
    turns: list[list[int]]
    early: int
    stride: int
    reach: int
    keep: int

    def turn(self, history: int, window: int) -> int:
        turns = self.turns[history % len(self.turns)]
        if window < len(turns):
            return turns[window]
        return turns[self.early + (window - self.early) % (len(turns) - self.early)]

    def windows(self, columns: int) -> int:
        """Windows, early ones included, that need no more columns of a history."""
        return max(0, (columns - 1 - self.reach) // self.stride + 1 + self.early)

    def histories(self, units: int) -> list[int]:
        """Columns of every history in so many windows or hops."""
        total = units * self.columns
        return [self.length] * (total // self.length) if self.length else [total]


def delta_writer(inp: Channel, full: Channel, over: Channel, skips: Skips) -> Factory:
    """Compares columns, and keeps their events; full: a beat for every column."""

    def until(seen: int, wanted: int) -> Process:
        for _ in range(wanted - seen):
            if over.empty:
                yield from over.wait()
            over.takes.append(over.head(0))

    def run(units: int) -> Process:
        now = column = 0
        for length in skips.histories(units):
            seen, windows = 0, skips.windows(length)
            for local in range(length):
                wanted = min(windows, -(-(local - skips.keep + 1) // skips.stride) + skips.early)
                if wanted > seen:
                    yield from until(seen, wanted)
                    seen, now = wanted, max(now, over.takes[-1])
                for cycles in skips.intake[column % len(skips.intake)]:
                    if inp.empty:
                        yield from inp.wait()
                    now = inp.head(now)
                    inp.takes.append(now)
                    now += cycles
                column += 1
                yield from full.put(now)
            if skips.length:
                yield from until(seen, windows)
                now = max(now, over.takes[-1] - 1) + 2

    return run


def delta_reader(full: Channel, over: Channel, out: Channel, skips: Skips, nf: int, latency: int) -> Factory:
    """Adds the events of windows, `nf` turns each; over: a beat for every window, early ones included."""

    def run(units: int) -> Process:
        now = 0  # the next word may be issued
        begun = 0
        for history, length in enumerate(skips.histories(units)):
            for window in range(skips.windows(length)):
                needed = begun + (window - skips.early) * skips.stride + skips.reach + 1
                while len(full.takes) < needed:
                    if full.empty:
                        yield from full.wait()
                    full.takes.append(full.head(0))
                now = max(now, full.takes[needed - 1] + 2)
                turn = skips.turn(history, window)
                for _ in range(nf):
                    now += turn
                    if window >= skips.early:
                        yield from out.put(now - 1 + latency)
                        now = max(now, out.puts[-1] - latency + 1)
                yield from over.put(now - 1)
            begun += length

    return run


def slide(inp: Channel, out: Channel, rows: int, row_beats: int, first: int, stride: int) -> Factory:
    """bhc_slide: the beats of row `first`, and of every stride-th after it, are results. rows: of one window."""

    def run(windows: int) -> Process:
        now = 0
        for row in range(windows * rows):
            for _ in range(row_beats):
                if inp.empty:
                    yield from inp.wait()
                now = inp.head(now)
                inp.takes.append(now)
                if row >= first and (row - first) % stride == 0:
                    yield from out.put(now + 1)
                    now = max(now, out.puts[-1] - 1)
                now += 1

    return run


def shifter(
    inp: Channel, out: Channel, steps: tuple[tuple[bool, bool], ...], nf: int, latency: int, early: int = 0
) -> Factory:
    """bhc_shift with its bhc_mvu (sf = 1), which uses each window nf cycles.

    steps: (takes a pixel, makes a window), in order, for one image. early: windows that are not made, because an
    endless image has just begun.
    latency: from the window being taken by the bhc_mvu to the first result.
    """

    def run(windows: int) -> Process:
        missing = early
        step = free = 0  # when the next step, and the first fold of the next window, can happen
        for _ in range(windows):
            for takes, makes in steps:
                if takes:
                    if inp.empty:
                        yield from inp.wait()
                    step = inp.head(step)
                    inp.takes.append(step)
                step += 1
                if makes and missing:
                    missing -= 1
                elif makes:
                    # Seen one cycle after its step; the next step may coincide with its being taken.
                    free = step = max(step, free)
                    for _ in range(nf):
                        yield from out.put(free + latency)
                        free = max(free, out.puts[-1] - latency) + 1

    return run


@dataclass(frozen=True, slots=True)
class Timing:
    """What the model says.

    period: cycles a window in steady state, a mean over those after `settled`. latency: from the first input beat of
    a window to its last output beat, the pipeline idle before. occupancy: the most beats held by each channel.
    """

    period: int
    latency: int
    occupancy: dict[str, int]


_ENDED = -2


@dataclass(slots=True)
class _Waiting:
    """A process, and the channel that must move before it can go on: its beats in and out, and how many they were."""

    process: Process
    puts: list[int]
    takes: list[int]
    seen: int


def settled(windows: int) -> int:
    """The window, of so many, from whose end on cycles are measured: the first ones fill the pipeline."""
    return min((windows - 1) // 2, SETTLING)


def run(
    factories: list[Factory],
    channels: list[Channel],
    output: Channel,
    beats: int,
    windows: int,
    filling: int | None = None,
) -> Timing:
    """Evaluate the network until it has made the results of `windows` windows. Raises DeadlockError.

    filling: further windows of input that endless sequences take before the first result; None if there are none. They
    take more than they need for the last one, too: then processes are left that wait for input.
    """
    waiting = [_Waiting(factory(windows + (filling or 0)), [], [], -1) for factory in factories]
    while waiting and (filling is None or len(output.takes) < windows * beats):
        stuck, ended = True, False
        for one in waiting:
            if len(one.puts) + len(one.takes) == one.seen:
                continue
            stuck = False
            channel = next(one.process, None)
            if channel is None:
                one.seen, ended = _ENDED, True
            else:
                one.puts, one.takes = channel.puts, channel.takes
                one.seen = len(one.puts) + len(one.takes)
        if stuck:
            full = (c for c in channels if c.depth is not None and len(c.puts) - len(c.takes) >= c.depth)
            raise DeadlockError(tuple(c.name for c in full))
        if ended:
            waiting = [one for one in waiting if one.seen != _ENDED]
    ends = [output.takes[(w + 1) * beats - 1] for w in range(windows)]
    if windows == 1:
        period = ends[0] + 1
    else:
        first = settled(windows)
        period = -(-(ends[-1] - ends[first]) // (windows - 1 - first))
    return Timing(period, ends[0], {c.name: c.occupancy for c in channels})
