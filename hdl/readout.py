"""The core: every stage, wired; it names no board.

ROIC <- scan -> source -> cds -> pga -> correct -> audit -+-> window -> convolve -> threshold -+-> encode -> frame -> tx
                  ^ adc                                   +-------- raw, audit frames ---------+              ^
rx -> command -> registers -> settings of every stage                                       meta, replies ----+
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from edgeray.protocol.registers import BY_NAME, COMMAND_BITS, Convolution, ReadoutMode
from hdl.adc import ParallelADC
from hdl.audit import Audit
from hdl.bias import Bias
from hdl.cds import CDS
from hdl.command import Command
from hdl.convolve import Convolve
from hdl.correct import Correct
from hdl.counter import SaturatingCounter
from hdl.encode import Encode
from hdl.frame import Frame
from hdl.layouts import pixel_layout
from hdl.meta import Meta
from hdl.params import Params
from hdl.pga import PGA
from hdl.registers import IN_FORCE, RegisterBank
from hdl.relay import Relay
from hdl.scan import Scan
from hdl.sensor import Sensor
from hdl.source import Source
from hdl.threshold import Threshold
from hdl.uart import UARTReceiver, UARTTransmitter
from hdl.waiting import Waiting
from hdl.window import Window

_COMMAND_BYTES = 256
"""Bytes of commands that a UART's board takes while it cannot answer."""
_STROBES = ("row", "column", "reset", "sample_reset", "sample_signal")


def _board_ports(params: Params, adc: type[Any]) -> dict[str, wiring.Member]:
    """The ports that every readout has, whatever its link."""
    roic = wiring.Signature({
        "row": Out(range(params.rows)),
        "column": Out(range(params.columns)),
        "reset": Out(1),
        "sample_reset": Out(1),
        "sample_signal": Out(1),
        "pga_gain": Out(BY_NAME["pga_gain"].bits),
    })  # fmt: skip
    return {
        "roic": Out(roic),
        "adc": Out(adc.pins_signature(params)),
        **({"bias": Out(Bias.pins_signature(params))} if params.bias_dac else {}),
        "trigger": In(1),
        "busy": Out(1),
        "armed": Out(1),
        "image_id": Out(32),
    }


class Readout(wiring.Component):
    """From the readout chip's samples to packets, and from commands to settings.

    One frame is in flight at a time: the next one starts when the one before is in the packet buffer and has left every
    stage. Settings come into force, and series start, only in between. A frame starts only while the packet buffer has
    room for all of it, so whatever the link does, it ends; frames are dropped whole, before they start.

    Parameters
    ----------
    params : the build.
    adc : the stage that converts, a class like `ParallelADC`.

    Members
    -------
    roic : strobes, row, column and gain
    adc : the converter's pins, as the stage describes them
    bias : pins of the converter of the bias voltages, where `Params.bias_dac`
    trigger : external trigger, asynchronous, rising edge
    busy : a frame is being exposed, read or processed
    armed : a series is under way
    image_id : number of the frame in flight
    tx, rx : streams of bytes: packets to the host, commands from it
    uart_divisor : register of that name, for a link that is a UART
    """

    def __init__(self, params: Params, adc: type[Any] = ParallelADC):
        self._params, self._adc_stage = params, adc
        super().__init__({
            **_board_ports(params, adc),
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
        m.submodules.adc = self._adc = adc = self._adc_stage(params)
        m.submodules.source = self._source = source = Source(params)
        m.submodules.cds = self._cds = CDS(params)
        m.submodules.pga = self._pga = PGA(params)
        m.submodules.correct = self._correct = Correct(params)
        m.submodules.audit = self._audit = Audit(params)
        m.submodules.threshold = self._threshold = Threshold(params)
        # What makes kernel responses of pixels: the first stage takes pixels, the last one gives responses.
        self._kernel: tuple[Any, ...]
        if params.convolution is Convolution.SENSOR:
            self._kernel = (Sensor(params),)
        else:
            self._kernel = (Window(params), Convolve(params))
        for stage in self._kernel:
            m.submodules[type(stage).__name__.lower()] = stage
        m.submodules.encode = self._encode = Encode(params)
        m.submodules.meta = self._meta = Meta(params)
        m.submodules.frame = self._frame = Frame(params)

        pixels = (self._cds, self._pga, self._correct, self._audit, *self._kernel, self._threshold)
        for stage in (scan, source, *pixels, self._encode):
            for name in bank.settings.shape().members:
                if name in stage.signature.members:
                    m.d.comb += getattr(stage, name).eq(bank.settings[name])

        m.d.comb += [
            *(getattr(self.roic, name).eq(getattr(scan, name)) for name in _STROBES),
            self.roic.pga_gain.eq(bank.settings.pga_gain),
            scan.trigger.eq(self.trigger),
            self.armed.eq(scan.armed),
            self.image_id.eq(scan.image_id),
        ]
        connect(m, adc.pins, flipped(self.adc))
        self._plan_audits(m)
        self._wire_pixels(m)
        self._wire_payloads(m)
        self._wire_commands(m)
        self._count(m)
        self._describe(m)
        return m

    def _wire_pixels(self, m: Module) -> None:
        """The way of a pixel, from its conversion to the encoder."""
        scan, source, meta, encode = self._scan, self._source, self._meta, self._encode
        # Conversion waits for META, whose counters are those before the frame.
        m.d.comb += [
            source.i.payload.eq(scan.o.payload),
            source.i.valid.eq(scan.o.valid & ~meta.busy),
            scan.o.ready.eq(source.i.ready & ~meta.busy),
            *(getattr(source, name).eq(getattr(scan, name)) for name in ("row", "column", "image_id")),
        ]
        connect(m, source.to_adc, self._adc.i)
        connect(m, self._adc.o, source.from_adc)
        connect(m, source.o, self._cds.i)
        connect(m, self._cds.o, self._pga.i)
        connect(m, self._pga.o, self._correct.i)
        for before, after in pairwise((*self._kernel, self._threshold)):
            connect(m, before.o, after.i)

        if self._params.is_pipelined:
            m.submodules.relay = relay = Relay(pixel_layout(unsigned(self._params.sample_bits)))
            connect(m, self._correct.o, relay.i)
            connect(m, relay.o, self._audit.i)
        else:
            connect(m, self._correct.o, self._audit.i)
        connect(m, self._audit.edge, self._kernel[0].i)
        raw, result = self._audit.raw, self._threshold.o
        m.d.comb += [
            encode.raw.eq((self._bank.settings.readout_mode == ReadoutMode.RAW) | self._pixels_of_audit),
        ]
        with m.If(encode.raw):
            m.d.comb += [
                encode.i.valid.eq(raw.valid),
                raw.ready.eq(encode.i.ready),
                encode.i.payload.value.eq(raw.payload.value),
                encode.i.payload.kept.eq(1),
                encode.i.payload.row_last.eq(raw.payload.row_last),
                encode.i.payload.last.eq(raw.payload.last),
            ]
        with m.Else():
            m.d.comb += [
                encode.i.valid.eq(result.valid),
                result.ready.eq(encode.i.ready),
                encode.i.payload.eq(result.payload),
            ]

    def _wire_payloads(self, m: Module) -> None:
        """The way of a payload to the link; META goes into the buffer before its frame's first word."""
        meta, encode, frame = self._meta, self._encode, self._frame
        with m.If(meta.busy):
            m.d.comb += [frame.i.valid.eq(meta.o.valid), frame.i.payload.eq(meta.o.payload)]
        with m.Else():
            m.d.comb += [
                frame.i.valid.eq(encode.o.valid),
                frame.i.payload.eq(encode.o.payload),
                # An audit frame goes on where its edges end.
                frame.i.payload.last.eq(encode.o.payload.last & ~self._edges_of_audit),
            ]
        connect(m, frame.o, flipped(self.tx))
        m.d.comb += [
            frame.sequence.eq(self._scan.image_id),
            frame.generation.eq(self._bank.counters.generation),
            frame.audit.eq(self._audit_due),
        ]

    def _wire_commands(self, m: Module) -> None:
        """Commands, and what is done between two frames: taking settings over, starting a series."""
        command, bank, scan, correct = self._command, self._bank, self._scan, self._correct
        connect(m, flipped(self.rx), command.i)
        connect(m, command.bus, bank.bus)
        connect(m, command.reply, self._frame.reply)
        m.d.comb += command.generation.eq(bank.counters.generation)
        orders = Signal(data.StructLayout({field.name: field.bits for field in COMMAND_BITS}))
        # Out of a register: the command comes out of a memory.
        m.d.sync += orders.eq(Mux(bank.pulsed.command, bank.bus.value, 0))
        # Behind what is to come into force with the same command.
        m.d.sync += scan.arm.eq(orders.arm)
        m.d.comb += [
            scan.disarm.eq(orders.disarm),
            scan.software_trigger.eq(orders.trigger),
            correct.table_index.eq(bank.table_index),
            correct.table_entry.eq(bank.bus.value),
            correct.table_write.eq(bank.pulsed.correction_data),
            # Until then what is written into the table would be lost.
            bank.holds.eq(~correct.table_ready),
            self._source.table_index.eq(bank.table_index),
            self._source.upload_data.eq(bank.bus.value),
            self._source.upload_write.eq(bank.pulsed.upload_data),
            self.uart_divisor.eq(bank.uart_divisor),
            bank.duration_address.eq(scan.duration_address),
            scan.duration.eq(bank.duration),
        ]

        in_flight, apply_pending, setting_up, drained = Signal(), Signal(), Signal(), Signal()
        m.d.comb += setting_up.eq(bank.busy)
        # A clock late: the scan has then looked up the first of the durations in force. A frame may start meanwhile.
        m.d.sync += drained.eq(~in_flight & ~apply_pending & ~setting_up)
        if self._params.bias_dac:
            self._wire_bias(m, setting_up)
        self._follow(m, in_flight)
        with m.If(orders.apply):
            m.d.sync += apply_pending.eq(1)
        with m.Elif(bank.take_over):
            m.d.sync += apply_pending.eq(0)
        m.d.comb += [
            bank.take_over.eq(apply_pending & ~in_flight & ~drained),
            scan.drained.eq(drained),
            scan.room.eq(self._frame.room),
            self.busy.eq(in_flight),
            bank.counters.state.eq(Cat(scan.armed, in_flight, apply_pending | setting_up, self._frame.unsent)),
        ]

    def _wire_bias(self, m: Module, setting_up: Signal) -> None:
        """The kernel's way to the bias voltages: written when settings have come into force, before the next frame."""
        bank = self._bank
        m.submodules.bias = bias = Bias(self._params)
        in_force = Signal()
        m.d.sync += in_force.eq(bank.busy)
        weights, settle = (IN_FORCE + BY_NAME[name].address for name in ("kernel_weights", "bias_settle_time"))
        m.d.comb += [
            bias.start.eq(in_force & ~bank.busy),
            setting_up.eq(bank.busy | bias.start | bias.busy),
            bias.weight.eq(bank.duration),
            bias.bias_settle_time.eq(bank.duration),
            bias.table_index.eq(bank.table_index),
            bias.table_entry.eq(bank.bus.value),
            bias.table_write.eq(bank.pulsed.bias_data),
        ]
        # No frame is under way that would look for a duration.
        with m.If(bias.busy):
            m.d.comb += bank.duration_address.eq(
                Mux(bias.weight_index == self._params.kernel_size**2, settle, weights + bias.weight_index)
            )
        connect(m, bias.pins, flipped(self.bias))

    def _plan_audits(self, m: Module) -> None:
        """Which frames are audit frames, and which part of one is written."""
        settings, scan = self._bank.settings, self._scan
        self._audit_due, self._edges_of_audit, self._pixels_of_audit = Signal(), Signal(), Signal()
        # Frames since the last audit frame, itself included.
        first, since = Signal(), Signal.like(settings.audit_period)
        wanted = (settings.audit_period != 0) & (settings.readout_mode == ReadoutMode.EDGE)
        m.d.comb += self._audit_due.eq(wanted & (first | (since >= settings.audit_period)))
        with m.If(scan.series_start):
            m.d.sync += first.eq(1)
        with m.Elif(scan.frame_start):
            m.d.sync += [first.eq(~wanted), since.eq(since + 1)]
            with m.If(self._audit_due):
                m.d.sync += since.eq(1)
        with m.If(scan.frame_start):
            m.d.sync += [self._edges_of_audit.eq(self._audit_due), self._pixels_of_audit.eq(0)]
        with m.Elif(self._audit.replay):
            m.d.sync += [self._edges_of_audit.eq(0), self._pixels_of_audit.eq(1)]

    def _follow(self, m: Module, in_flight: Signal) -> None:
        """How far the frame in flight is: edges written, in an audit frame pixels too, every stage empty."""
        scan, audit, end = self._scan, self._audit, self._encode.o
        edges_written, written, settled = Signal(), Signal(), Signal()
        m.d.comb += [
            # The window takes rows below the last kernel position in when the edges may be written already.
            settled.eq(getattr(self._kernel[0], "idle", 1) & ~scan.exposing),
            audit.replay.eq(edges_written & settled),
        ]
        with m.If(scan.frame_start):
            m.d.sync += [in_flight.eq(1), written.eq(0)]
        with m.Elif(written & settled):
            m.d.sync += in_flight.eq(0)
        with m.If(audit.replay):
            m.d.sync += edges_written.eq(0)
        with m.If(end.valid & end.payload.end & end.payload.last):
            m.d.sync += [edges_written.eq(self._edges_of_audit), written.eq(~self._edges_of_audit)]

    def _count(self, m: Module) -> None:
        """What the STATUS registers show."""
        bank, scan = self._bank, self._scan
        status, generation = bank.counters, Signal(16)
        m.d.comb += [
            status.triggered.eq(scan.triggered),
            status.dropped.eq(scan.dropped),
            status.command_errors.eq(self._command.errors),
            status.generation.eq(generation),
            status.image_id.eq(scan.image_id),
            Cat(status.ticks_low, status.ticks_high).eq(scan.ticks),
        ]
        with m.If(bank.take_over):
            m.d.sync += generation.eq(generation + 1)
        for name, pulse in (
            ("railed", self._cds.railed),
            ("pga_saturated", self._pga.saturated),
            ("correction_saturated", self._correct.saturated),
            ("convolution_saturated", getattr(self._kernel[-1], "saturated", 0)),
        ):
            m.submodules[name] = counter = SaturatingCounter(len(getattr(status, name)))
            m.d.comb += [
                counter.count.eq(pulse),
                counter.clear.eq(scan.series_start),
                getattr(status, name).eq(counter.value),
            ]

    def _describe(self, m: Module) -> None:
        """When a META is due, and where it reads."""
        scan, bank, meta = self._scan, self._bank, self._meta
        settings = bank.settings
        # Something new to tell; frames since the last META; META before the next frame.
        changed, since, due = Signal(), Signal(len(settings.meta_period)), Signal()
        m.d.comb += due.eq(changed | (since == settings.meta_period))
        # One clock after the frame's start, when scan shows its number and its time.
        m.d.sync += meta.start.eq(scan.frame_start & due)
        with m.If(scan.series_start | bank.take_over):
            m.d.sync += changed.eq(1)
        with m.Elif(scan.frame_start):
            m.d.sync += [changed.eq(0), since.eq(Mux(due, 1, since + 1))]

        m.d.comb += [
            # A trigger may be dropped while META is written, which tells of the time before its frame.
            scan.hold.eq(meta.start | meta.busy),
            bank.looks.eq(meta.busy),
            bank.look_address.eq(meta.look_address),
            meta.looked_up.eq(bank.looked_up),
        ]


class SerialReadout(wiring.Component):
    """A `Readout` whose link is a UART: 8 data bits, no parity, one stop bit, at the divisor of its register.

    Members
    -------
    tx, rx : the UART's lines
    all others, and the parameters : as in `Readout`
    """

    def __init__(self, params: Params, adc: type[Any] = ParallelADC):
        self._params, self._adc_stage = params, adc
        super().__init__({**_board_ports(params, adc), "tx": Out(1, init=1), "rx": In(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.readout = readout = Readout(replace(self._params, byte_clocks=8), self._adc_stage)
        m.submodules.transmitter = transmitter = UARTTransmitter()
        m.submodules.receiver = receiver = UARTReceiver()
        connect(m, readout.tx, transmitter.i)
        # While a packet is sent, the reply to one command waits, and so do the commands behind it.
        m.submodules.waiting = waiting = Waiting(_COMMAND_BYTES)
        connect(m, receiver.o, waiting.i)
        connect(m, waiting.o, readout.rx)
        connect(m, readout.roic, flipped(self.roic))
        connect(m, readout.adc, flipped(self.adc))
        if self._params.bias_dac:
            connect(m, readout.bias, flipped(self.bias))
        m.d.comb += [
            transmitter.divisor.eq(readout.uart_divisor),
            receiver.divisor.eq(readout.uart_divisor),
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            readout.trigger.eq(self.trigger),
            *(getattr(self, name).eq(getattr(readout, name)) for name in ("busy", "armed", "image_id")),
        ]
        return m
