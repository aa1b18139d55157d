"""The core: every stage, wired; it names no board.

ROIC <- scan -> adc -> cds -> pga -> correct -+-> window -> convolve -> threshold -+-> encode -> frame -> tx
                                              +------------- raw readout ----------+              ^
rx -> command -> registers -> settings of every stage                              meta, replies -+
"""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from edgeray.protocol.registers import COMMAND_BITS, ReadoutMode, register_map_hash
from hdl.adc import ParallelADC
from hdl.cds import CDS
from hdl.command import Command
from hdl.convolve import Convolve
from hdl.correct import Correct
from hdl.encode import Encode
from hdl.frame import Frame
from hdl.meta import Meta
from hdl.params import Params
from hdl.pga import PGA
from hdl.registers import RegisterBank, counters_signature
from hdl.scan import Scan
from hdl.threshold import Threshold
from hdl.uart import UARTReceiver, UARTTransmitter
from hdl.window import Window

_COMMAND_BYTES = 256
"""Bytes of commands that a UART's board takes while it cannot answer."""
_STROBES = ("row", "column", "reset", "sample_reset", "sample_signal")


def _board_ports(params: Params) -> dict[str, wiring.Member]:
    """The ports that every readout has, whatever its link."""
    roic = wiring.Signature({
        "row": Out(range(params.rows)),
        "column": Out(range(params.columns)),
        "reset": Out(1),
        "sample_reset": Out(1),
        "sample_signal": Out(1),
        "convert": Out(1),
    })  # fmt: skip
    return {
        "roic": Out(roic),
        "reset_sample": In(unsigned(params.sample_bits)),
        "signal_sample": In(unsigned(params.sample_bits)),
        "trigger": In(1),
        "busy": Out(1),
        "armed": Out(1),
        "image_id": Out(32),
    }


class Readout(wiring.Component):
    """From the readout chip's samples to packets, and from commands to settings.

    One frame is in flight at a time: the next one starts when the one before is in the packet buffer and has left every
    stage.
    Settings come into force, and series start, only in between. Frames are dropped whole, before they start.

    Members
    -------
    roic : strobes, row and column, `convert`
    reset_sample, signal_sample : the ADC port, both samples of the converted pixel, adc_latency clocks later
    trigger : external trigger, asynchronous, rising edge
    busy : a frame is being exposed, read or processed
    armed : a series is under way
    image_id : number of the frame in flight
    tx, rx : streams of bytes: packets to the host, commands from it
    uart_divisor : register of that name, for a link that is a UART
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            **_board_ports(params),
            "tx": Out(stream.Signature(8)),
            "rx": In(stream.Signature(8)),
            "uart_divisor": Out(16),
        })  # fmt: skip

    def elaborate(self, platform):
        params = self._params
        m = Module()
        m.submodules.command = self._command = Command()
        m.submodules.registers = self._bank = bank = RegisterBank(params)
        m.submodules.scan = self._scan = scan = Scan(params)
        m.submodules.adc = self._adc = adc = ParallelADC(params)
        m.submodules.cds = self._cds = CDS(params)
        m.submodules.pga = self._pga = PGA(params)
        m.submodules.correct = self._correct = Correct(params)
        m.submodules.window = self._window = Window(params)
        m.submodules.convolve = self._convolve = Convolve(params)
        m.submodules.threshold = self._threshold = Threshold(params)
        m.submodules.encode = self._encode = Encode(params)
        m.submodules.meta = self._meta = Meta(params)
        m.submodules.frame = self._frame = Frame(params)

        settled = (scan, self._cds, self._pga, self._correct, self._window, self._convolve, self._threshold)
        for stage in (*settled, self._encode, self._meta):
            for name in bank.settings.shape().members:
                if name in stage.signature.members:
                    m.d.comb += getattr(stage, name).eq(bank.settings[name])

        m.d.comb += [
            *(getattr(self.roic, name).eq(getattr(scan, name)) for name in _STROBES),
            self.roic.convert.eq(adc.convert),
            adc.reset_sample.eq(self.reset_sample),
            adc.signal_sample.eq(self.signal_sample),
            scan.trigger.eq(self.trigger),
            self.armed.eq(scan.armed),
            self.image_id.eq(scan.image_id),
        ]
        self._wire_pixels(m)
        self._wire_payloads(m)
        self._wire_commands(m)
        self._count(m)
        self._describe(m)
        return m

    def _wire_pixels(self, m: Module) -> None:
        """The way of a pixel, from its conversion to the encoder."""
        scan, adc, meta, encode = self._scan, self._adc, self._meta, self._encode
        # Conversion waits for META, whose counters are those before the frame.
        m.d.comb += [
            adc.i.payload.eq(scan.o.payload),
            adc.i.valid.eq(scan.o.valid & ~meta.busy),
            scan.o.ready.eq(adc.i.ready & ~meta.busy),
        ]
        connect(m, adc.o, self._cds.i)
        connect(m, self._cds.o, self._pga.i)
        connect(m, self._pga.o, self._correct.i)
        connect(m, self._window.o, self._convolve.i)
        connect(m, self._convolve.o, self._threshold.i)

        corrected, window, result = self._correct.o, self._window.i, self._threshold.o
        raw = self._bank.settings.readout_mode == ReadoutMode.RAW
        m.d.comb += window.payload.eq(corrected.payload)
        with m.If(raw):
            m.d.comb += [
                encode.i.valid.eq(corrected.valid),
                corrected.ready.eq(encode.i.ready),
                encode.i.payload.value.eq(corrected.payload.value),
                encode.i.payload.kept.eq(1),
                encode.i.payload.row_last.eq(corrected.payload.row_last),
                encode.i.payload.last.eq(corrected.payload.last),
            ]
        with m.Else():
            m.d.comb += [
                window.valid.eq(corrected.valid),
                corrected.ready.eq(window.ready),
                encode.i.valid.eq(result.valid),
                result.ready.eq(encode.i.ready),
                encode.i.payload.eq(result.payload),
            ]

    def _wire_payloads(self, m: Module) -> None:
        """The way of a payload to the link; META goes into the buffer before its frame's first word."""
        meta, encode, frame = self._meta, self._encode, self._frame
        with m.If(meta.busy):
            connect_stream(m, meta.o, frame.i)
        with m.Else():
            connect_stream(m, encode.o, frame.i)
        connect(m, frame.o, flipped(self.tx))
        m.d.comb += [frame.sequence.eq(self._scan.image_id), frame.generation.eq(self._bank.counters.generation)]

    def _wire_commands(self, m: Module) -> None:
        """Commands, and what is done between two frames: taking settings over, starting a series."""
        command, bank, scan, correct, encode = self._command, self._bank, self._scan, self._correct, self._encode
        connect(m, flipped(self.rx), command.i)
        connect(m, command.bus, bank.bus)
        connect(m, command.reply, self._frame.reply)
        orders = Signal(data.StructLayout({field.name: field.bits for field in COMMAND_BITS}))
        m.d.comb += [
            orders.eq(Mux(bank.pulsed.command, bank.pulses.command, 0)),
            scan.arm.eq(orders.arm),
            scan.disarm.eq(orders.disarm),
            scan.software_trigger.eq(orders.trigger),
            correct.table_index.eq(bank.direct.correction_index),
            correct.table_entry.eq(bank.pulses.correction_data),
            correct.table_write.eq(bank.pulsed.correction_data),
            self.uart_divisor.eq(bank.direct.uart_divisor),
        ]

        in_flight, written, apply_pending = Signal(), Signal(), Signal()
        with m.If(scan.frame_start):
            m.d.sync += [in_flight.eq(1), written.eq(0)]
        with m.Elif(written & self._window.idle & ~scan.exposing):
            m.d.sync += in_flight.eq(0)
        with m.If(encode.o.valid & encode.o.ready & encode.o.payload.end & encode.o.payload.last):
            m.d.sync += written.eq(1)
        with m.If(orders.apply):
            m.d.sync += apply_pending.eq(1)
        with m.Elif(bank.take_over):
            m.d.sync += apply_pending.eq(0)
        m.d.comb += [
            bank.take_over.eq(apply_pending & ~in_flight),
            scan.drained.eq(~in_flight & ~apply_pending),
            scan.room.eq(self._frame.room),
            self.busy.eq(in_flight),
            bank.counters.state.eq(Cat(scan.armed, in_flight, apply_pending, self._frame.unsent)),
        ]

    def _count(self, m: Module) -> None:
        """What the STATUS registers show."""
        bank, scan = self._bank, self._scan
        status, generation = bank.counters, Signal(32)
        m.d.comb += [
            status.triggered.eq(scan.triggered),
            status.dropped.eq(scan.dropped),
            status.command_errors.eq(self._command.errors),
            status.generation.eq(generation),
        ]
        with m.If(bank.take_over):
            m.d.sync += generation.eq(generation + 1)
        for name, pulse in (
            ("railed", self._cds.railed),
            ("pga_saturated", self._pga.saturated),
            ("correction_saturated", self._correct.saturated),
            ("convolution_saturated", self._convolve.saturated),
        ):
            counter = Signal(len(getattr(status, name)), name=name)
            m.d.comb += getattr(status, name).eq(counter)
            with m.If(scan.series_start):
                m.d.sync += counter.eq(0)
            with m.Elif(pulse & ~counter.all()):
                m.d.sync += counter.eq(counter + 1)

    def _describe(self, m: Module) -> None:
        """When a META is due, and what it says."""
        params, scan, meta = self._params, self._scan, self._meta
        settings, counters = self._bank.settings, self._bank.counters
        # Something new to tell; frames since the last META; META before the next frame.
        changed, since, due = Signal(), Signal(len(settings.meta_period)), Signal()
        m.d.comb += due.eq(changed | (since == settings.meta_period - 1))
        # One clock after the frame's start, when scan shows its number and its time.
        m.d.sync += meta.start.eq(scan.frame_start & due)
        with m.If(scan.series_start | self._bank.take_over):
            m.d.sync += changed.eq(1)
        with m.Elif(scan.frame_start):
            m.d.sync += [changed.eq(0), since.eq(Mux(due, 0, since + 1))]

        # A trigger may be dropped while META is written, which tells of the time before its frame.
        dropped = Signal.like(counters.dropped)
        with m.If(scan.frame_start):
            m.d.sync += dropped.eq(counters.dropped)

        rows, columns = Signal(16), Signal(16)
        m.d.comb += [rows.eq(params.rows), columns.eq(params.columns)]
        with m.If(settings.readout_mode == ReadoutMode.EDGE), m.Switch(settings.stride):
            for stride in params.strides:
                with m.Case(stride):
                    m.d.comb += [rows.eq(params.frame_shape(stride)[0]), columns.eq(params.frame_shape(stride)[1])]
        m.d.comb += [
            meta.columns.eq(columns),
            meta.rows.eq(rows),
            meta.sample_bits.eq(params.sample_bits),
            meta.kernel_size.eq(params.kernel_size),
            meta.image_id.eq(scan.image_id),
            meta.timestamp.eq(scan.timestamp),
            meta.tick_rate.eq(params.clock_frequency),
            meta.register_map_hash.eq(register_map_hash()),
            *(
                getattr(meta, name).eq(getattr(counters, name))
                for name in counters_signature.members
                if hasattr(meta, name) and name != "dropped"
            ),
            meta.dropped.eq(dropped),
        ]


def connect_stream(m: Module, source, sink) -> None:
    """Connect two streams under a condition, which `wiring.connect` cannot."""
    m.d.comb += [
        sink.payload.eq(source.payload),
        sink.valid.eq(source.valid),
        source.ready.eq(sink.ready),
    ]


class SerialReadout(wiring.Component):
    """A `Readout` whose link is a UART: 8 data bits, no parity, one stop bit, at the divisor of its register.

    Members
    -------
    tx, rx : the UART's lines
    all others : as in `Readout`
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({**_board_ports(params), "tx": Out(1, init=1), "rx": In(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.readout = readout = Readout(self._params)
        m.submodules.transmitter = transmitter = UARTTransmitter()
        m.submodules.receiver = receiver = UARTReceiver()
        connect(m, readout.tx, transmitter.i)
        # While a packet is sent, the reply to one command waits, and so do the commands behind it.
        m.submodules.waiting = waiting = fifo.SyncFIFOBuffered(width=8, depth=_COMMAND_BYTES)
        connect(m, receiver.o, waiting.w_stream)
        connect(m, waiting.r_stream, readout.rx)
        m.d.comb += [
            transmitter.divisor.eq(readout.uart_divisor),
            receiver.divisor.eq(readout.uart_divisor),
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            readout.reset_sample.eq(self.reset_sample),
            readout.signal_sample.eq(self.signal_sample),
            readout.trigger.eq(self.trigger),
            *(getattr(self, name).eq(getattr(readout, name)) for name in ("busy", "armed", "image_id")),
            *(getattr(self.roic, name).eq(getattr(readout.roic, name)) for name in (*_STROBES, "convert")),
        ]
        return m
