"""The pixel sequencer: exposes a frame, then asks for its pixels one after the other.

    trigger -> reset | gap | sample reset | integrate | sample signal | gap | row 0: column 0, 1, ... | row 1 ...
                 ^ strobes to the readout chip, never two at once                requests to the ADC

All pixels integrate together (snapshot) and hold both samples until they are read.
"""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME, TriggerMode
from hdl.layouts import request_layout
from hdl.params import Params
from hdl.registers import IN_FORCE

SETTINGS = ("trigger_mode", "nimages", "frame_time", "row_settle_time", "column_settle_time")


class Phase(enum.Enum):
    IDLE = 0
    RESET = 1
    GAP_AFTER_RESET = 2
    SAMPLE_RESET = 3
    INTEGRATE = 4
    SAMPLE_SIGNAL = 5
    GAP_AFTER_SIGNAL = 6
    READ = 7


class Scan(wiring.Component):
    """Triggers, exposure timing, row and column select, frame number and time stamp.

    A duration of 0 counts as 1 for strobes, gaps and integration; the settling times may be 0, and a pixel then takes
    one clock. Nothing saturates: `triggered` counts modulo 2**32, `dropped` stays at its maximum.

    Triggers: with INTERNAL and frame_time 0 a frame starts as soon as `drained` and `room` allow, so none is dropped.
    Every other trigger that finds one of them low is counted as triggered and as dropped, and its number is skipped.

    Members
    -------
    o : stream of `request_layout`; `row` and `column` say which pixel
    every name of SETTINGS : the register of that name, constant during a frame
    duration_address, duration : the setting in force that is looked up, and a clock later its value
    arm, disarm, software_trigger : pulses; `arm` waits until `drained`
    trigger : external trigger, asynchronous, rising edge
    drained : no frame is in flight and no settings wait
    room : a frame fits the packet buffer
    hold : `dropped` and `ticks` stand still; what comes meanwhile is added afterwards, up to 255 of either
    reset, sample_reset, sample_signal : strobes, straight from registers
    exposing : a frame is being exposed or read
    armed : a series is under way
    series_start : one clock, when a series begins
    frame_start : one clock, when a frame begins; image_id is that of the frame from the next clock on
    ticks : clocks since reset
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "o": Out(stream.Signature(request_layout())),
            **{name: In(BY_NAME[name].bits) for name in SETTINGS},
            "duration_address": Out(8),
            "duration": In(32),
            "arm": In(1),
            "disarm": In(1),
            "software_trigger": In(1),
            "trigger": In(1),
            "drained": In(1),
            "room": In(1),
            "hold": In(1),
            "row": Out(range(params.rows)),
            "column": Out(range(params.columns)),
            "reset": Out(1),
            "sample_reset": Out(1),
            "sample_signal": Out(1),
            "exposing": Out(1),
            "armed": Out(1),
            "series_start": Out(1),
            "frame_start": Out(1),
            "image_id": Out(32),
            "ticks": Out(64),
            "triggered": Out(32),
            "dropped": Out(32),
        })  # fmt: skip
        # Here, so that a proof can look at it.
        self.waiting = Signal(8)

    def elaborate(self, platform):
        m = Module()
        wanted = self._triggers(m)
        self._phases(m, wanted)
        return m

    def _triggers(self, m) -> Signal:
        """The signal that a frame starts now; triggers that find no room are counted here."""
        arm_pending = Signal()
        with m.If(self.arm):
            m.d.sync += arm_pending.eq(1)
        with m.Elif(self.disarm | self.series_start):
            m.d.sync += arm_pending.eq(0)
        m.d.comb += self.series_start.eq(arm_pending & self.drained & ~self.exposing)

        # The cadence of internal triggers: due in the first clock of the series, then every frame_time. Without one a
        # frame is patient: it waits until it can start.
        left, due, patient = Signal(32), Signal(), Signal()
        m.d.sync += [
            left.eq(Mux(due | patient, self.frame_time, left - 1)),
            due.eq(self.series_start | Mux(due | patient, self.frame_time == 1, left == 2)),
            patient.eq((self.frame_time == 0) & (self.trigger_mode == TriggerMode.INTERNAL)),
        ]

        level, before = Signal(), Signal()
        m.submodules += FFSynchronizer(self.trigger, level)
        m.d.sync += before.eq(level)

        request = Signal()
        with m.Switch(self.trigger_mode):
            with m.Case(TriggerMode.INTERNAL):
                m.d.comb += request.eq(patient | due)
            with m.Case(TriggerMode.EXTERNAL):
                m.d.comb += request.eq(level & ~before)
            with m.Case(TriggerMode.SOFTWARE):
                m.d.comb += request.eq(self.software_trigger)

        can, counted = Signal(), Signal()
        m.d.comb += [
            can.eq(self.drained & self.room & ~self.exposing),
            counted.eq(self.armed & request & (can | ~patient)),
            self.frame_start.eq(counted & can),
        ]
        with m.If(self.series_start):
            m.d.sync += [self.armed.eq(1), self.triggered.eq(0)]
        with m.Elif(counted):
            m.d.sync += self.triggered.eq(self.triggered + 1)
            with m.If(_follows(self.nimages, self.triggered)):
                m.d.sync += self.armed.eq(0)
        with m.If(self.disarm):
            m.d.sync += self.armed.eq(0)

        # Frames dropped, and those of them that are not in `dropped` yet.
        waiting, total = self.waiting, Signal(33)
        m.d.comb += total.eq(self.dropped + waiting)
        m.d.sync += waiting.eq(Mux(self.hold, waiting, 0) + (counted & ~can & ~(self.hold & waiting.all())))
        with m.If(self.series_start):
            m.d.sync += [self.dropped.eq(0), waiting.eq(0)]
        with m.Elif(~self.hold):
            m.d.sync += self.dropped.eq(total[:32] | total[32].replicate(32))

        late = Signal(8)
        with m.If(self.hold):
            m.d.sync += late.eq(late + 1)
        with m.Else():
            m.d.sync += [late.eq(0), self.ticks.eq(self.ticks + late + 1)]
        with m.If(self.frame_start):
            m.d.sync += self.image_id.eq(self.triggered)
        return self.frame_start

    def _phases(self, m, start: Signal) -> None:
        phase, following = Signal(Phase), Signal(Phase)
        # Of the phase, this tick included; a duration of 0 counts as 1. In IDLE it is that of RESET.
        remaining, counts, over = Signal(32), Signal(), Signal()
        timed = {
            Phase.RESET: "reset_time",
            Phase.GAP_AFTER_RESET: "gap_time",
            Phase.SAMPLE_RESET: "sample_reset_time",
            Phase.INTEGRATE: "count_time",
            Phase.SAMPLE_SIGNAL: "sample_signal_time",
            Phase.GAP_AFTER_SIGNAL: "gap_time",
        }
        accepted = Signal()
        m.d.comb += [
            following.eq(phase),
            accepted.eq(self.o.valid & self.o.ready),
            over.eq(~remaining[1:].any()),
            counts.eq((phase != Phase.IDLE) & ~over),
        ]
        with m.Switch(phase):
            with m.Case(Phase.IDLE), m.If(start):
                m.d.comb += following.eq(Phase.RESET)
            with m.Case(*timed), m.If(over):
                m.d.comb += following.eq(phase + 1)
            with m.Case(Phase.READ), m.If(accepted & self.o.payload.last):
                m.d.comb += following.eq(Phase.IDLE)
        # Looked up two clocks before a phase: it is loaded as the phase begins.
        addresses = [BY_NAME[name].address + IN_FORCE for name in timed.values()]
        m.d.comb += self.duration_address.eq(addresses[0])
        with m.Switch(phase):
            with m.Case(Phase.IDLE), m.If(start):
                m.d.comb += self.duration_address.eq(addresses[1])
            for each, now, later in zip(timed, addresses[1:], (*addresses[2:], addresses[0]), strict=False):
                with m.Case(each):
                    m.d.comb += self.duration_address.eq(Mux(over, later, now))

        # Strobes come straight from registers: decoded from the phase, they could glitch.
        m.d.sync += [
            phase.eq(following),
            self.reset.eq(following == Phase.RESET),
            self.sample_reset.eq(following == Phase.SAMPLE_RESET),
            self.sample_signal.eq(following == Phase.SAMPLE_SIGNAL),
            # All ones added where it counts: down by one.
            remaining.eq(Mux(counts, remaining + counts.replicate(32), self.duration)),
        ]

        # Read: a pixel is asked for when its select lines have settled, the row's first, then the column's. A register
        # says so: it ends the path from what takes a pixel to what asks for the next one.
        settling_row, settled, settled_for = Signal(), Signal(), Signal(16)
        no_row, no_column = self.row_settle_time == 0, self.column_settle_time == 0
        m.d.comb += [
            self.exposing.eq(phase != Phase.IDLE),
            self.o.valid.eq((phase == Phase.READ) & settled),
            self.o.payload.row_last.eq(self.column == self._params.columns - 1),
            self.o.payload.last.eq(self.o.payload.row_last & (self.row == self._params.rows - 1)),
        ]
        with m.If(phase == Phase.IDLE):
            m.d.sync += [self.row.eq(0), self.column.eq(0)]
        with m.Elif(accepted):
            m.d.sync += self.column.eq(self.column + 1)
            with m.If(self.o.payload.row_last):
                m.d.sync += [self.column.eq(0), self.row.eq(self.row + 1)]
        with m.If((phase != Phase.READ) | accepted):
            row_changes = (phase != Phase.READ) | self.o.payload.row_last
            m.d.sync += [
                settling_row.eq(row_changes & ~no_row),
                settled.eq(no_column & (no_row | ~row_changes)),
                settled_for.eq(1),
            ]
        with m.Elif(~settled):
            m.d.sync += settled_for.eq(settled_for + 1)
            with m.If(settling_row & (settled_for == self.row_settle_time)):
                m.d.sync += [settling_row.eq(0), settled.eq(no_column), settled_for.eq(1)]
            with m.If(~settling_row & (settled_for == self.column_settle_time)):
                m.d.sync += settled.eq(1)


def _follows(following: Signal, number: Signal) -> Value:
    """following == number + 1, without a carry chain: each bit differs where all below it are a carry that goes on."""
    carries = number & ~following
    return (number ^ following) == Cat(1, carries[:-1])
