"""The pixel sequencer: exposes a frame, then asks for its pixels one after the other.

    trigger -> reset | gap | sample reset | integrate | sample signal | gap | row 0: column 0, 1, ... | row 1 ...
                 ^ strobes to the readout chip, never two at once                requests to the ADC

All pixels integrate together (snapshot) and hold both samples until they are read.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME, TriggerMode
from hdl.layouts import request_layout
from hdl.params import Params

SETTINGS = (
    "trigger_mode",
    "nimages",
    "count_time",
    "frame_time",
    "reset_time",
    "sample_reset_time",
    "sample_signal_time",
    "gap_time",
    "row_settle_time",
    "column_settle_time",
)


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
    arm, disarm, software_trigger : pulses; `arm` waits until `drained`
    trigger : external trigger, asynchronous, rising edge
    drained : no frame is in flight and no settings wait
    room : a frame fits the packet buffer
    reset, sample_reset, sample_signal : strobes, straight from registers
    exposing : a frame is being exposed or read
    armed : a series is under way
    series_start : one clock, when a series begins
    frame_start : one clock, when a frame begins; image_id and timestamp are those of that frame from the next clock on
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "o": Out(stream.Signature(request_layout())),
            **{name: In(BY_NAME[name].bits) for name in SETTINGS},
            "arm": In(1),
            "disarm": In(1),
            "software_trigger": In(1),
            "trigger": In(1),
            "drained": In(1),
            "room": In(1),
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
            "timestamp": Out(64),
            "triggered": Out(32),
            "dropped": Out(32),
        })  # fmt: skip

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

        # The cadence of internal triggers: due at the start of the series, then every frame_time.
        until_next, due = Signal(32), Signal()
        m.d.comb += due.eq(until_next == 0)
        with m.If(self.series_start):
            m.d.sync += until_next.eq(0)
        with m.Else():
            m.d.sync += until_next.eq(Mux(due, self.frame_time - 1, until_next - 1))

        level, before = Signal(), Signal()
        m.submodules += FFSynchronizer(self.trigger, level)
        m.d.sync += before.eq(level)

        request, patient = Signal(), Signal()
        with m.Switch(self.trigger_mode):
            with m.Case(TriggerMode.INTERNAL):
                m.d.comb += [patient.eq(self.frame_time == 0), request.eq(patient | due)]
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
            m.d.sync += [self.armed.eq(1), self.triggered.eq(0), self.dropped.eq(0)]
        with m.Elif(counted):
            m.d.sync += self.triggered.eq(self.triggered + 1)
            with m.If(~can & ~self.dropped.all()):
                m.d.sync += self.dropped.eq(self.dropped + 1)
            with m.If(self.triggered + 1 == self.nimages):
                m.d.sync += self.armed.eq(0)
        with m.If(self.disarm):
            m.d.sync += self.armed.eq(0)

        ticks = Signal(64)
        m.d.sync += ticks.eq(ticks + 1)
        with m.If(self.frame_start):
            m.d.sync += [self.image_id.eq(self.triggered), self.timestamp.eq(ticks)]
        return self.frame_start

    def _phases(self, m, start: Signal) -> None:
        phase, following = Signal(Phase), Signal(Phase)
        remaining = Signal(32)
        timed = {
            Phase.RESET: self.reset_time,
            Phase.GAP_AFTER_RESET: self.gap_time,
            Phase.SAMPLE_RESET: self.sample_reset_time,
            Phase.INTEGRATE: self.count_time,
            Phase.SAMPLE_SIGNAL: self.sample_signal_time,
            Phase.GAP_AFTER_SIGNAL: self.gap_time,
        }
        order = list(Phase)
        accepted = Signal()
        m.d.comb += [following.eq(phase), accepted.eq(self.o.valid & self.o.ready)]
        with m.Switch(phase):
            with m.Case(Phase.IDLE), m.If(start):
                m.d.comb += following.eq(Phase.RESET)
            for each in timed:
                with m.Case(each), m.If(remaining == 0):
                    m.d.comb += following.eq(order[order.index(each) + 1])
            with m.Case(Phase.READ), m.If(accepted & self.o.payload.last):
                m.d.comb += following.eq(Phase.IDLE)

        # Strobes come straight from registers: decoded from the phase, they could glitch.
        m.d.sync += [
            phase.eq(following),
            self.reset.eq(following == Phase.RESET),
            self.sample_reset.eq(following == Phase.SAMPLE_RESET),
            self.sample_signal.eq(following == Phase.SAMPLE_SIGNAL),
            remaining.eq(remaining - 1),
        ]
        with m.If(following != phase), m.Switch(following):
            for each, duration in timed.items():
                with m.Case(each):
                    m.d.sync += remaining.eq(Mux(duration == 0, 0, duration - 1))

        # Read: a pixel is asked for when its select lines have settled.
        settling = Signal(range(2 * 0xFFFF + 1))
        row_settled = self.row_settle_time + self.column_settle_time
        m.d.comb += [
            self.exposing.eq(phase != Phase.IDLE),
            self.o.valid.eq((phase == Phase.READ) & (settling == 0)),
            self.o.payload.row_last.eq(self.column == self._params.columns - 1),
            self.o.payload.last.eq(self.o.payload.row_last & (self.row == self._params.rows - 1)),
        ]
        with m.If(phase == Phase.IDLE):
            m.d.sync += [self.row.eq(0), self.column.eq(0), settling.eq(row_settled)]
        with m.Elif(accepted):
            m.d.sync += [self.column.eq(self.column + 1), settling.eq(self.column_settle_time)]
            with m.If(self.o.payload.row_last):
                m.d.sync += [self.column.eq(0), self.row.eq(self.row + 1), settling.eq(row_settled)]
        with m.Elif((phase == Phase.READ) & (settling != 0)):
            m.d.sync += settling.eq(settling - 1)
