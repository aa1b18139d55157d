"""The register bank: generated from `edgeray.protocol.registers`.

register bus -> [RegisterBank] -> settings in force, direct values, pulses -> stages
                     ^ counters and state <- stages
"""

from collections.abc import Mapping
from typing import Any

from amaranth import Cat, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, enum, memory, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.packets import WEIGHT_BITS, ReplyStatus
from edgeray.protocol.registers import (
    BY_NAME,
    PRODUCT_ID,
    PROTOCOL_VERSION,
    REGISTERS,
    Access,
    Register,
    SampleSource,
    register_map_hash,
)
from hdl.params import Params

IN_FORCE = 0x80
"""Added to the address of a setting, it is that of the value in force; all registers lie below."""
NOTHING = IN_FORCE - 1
"""An address without a register, which reads 0."""
DURATIONS = (
    "reset_time", "gap_time", "sample_reset_time", "count_time", "sample_signal_time", "bias_settle_time",
)  # fmt: skip
"""Settings that are looked up when they are needed, by `duration`, and not shown all the time."""
_LISTED = 8
"""A register's description lists which values below this one it takes."""


def _shape(register: Register) -> Shape:
    return signed(register.bits) if register.signed else unsigned(register.bits)


def settings_layout(params: Params) -> data.StructLayout:
    """One field for every setting but `DURATIONS`; the weights are an array as large as the build's kernel."""
    return data.StructLayout({
        register.name: _shape(register) if register.count == 1
        else data.ArrayLayout(_shape(register), params.kernel_size**2)
        for register in REGISTERS if register.access is Access.SETTING and register.name not in DURATIONS
    })  # fmt: skip


counters_signature = wiring.Signature({
    register.name: In(_shape(register)) for register in REGISTERS if register.access is Access.STATUS
})  # fmt: skip
"""What the STATUS registers read."""


def constants(params: Params) -> Mapping[str, int]:
    """What the CONSTANT registers of a build with `params` read."""
    return {
        "product_id": PRODUCT_ID,
        "protocol_version": PROTOCOL_VERSION,
        "register_map_hash": register_map_hash(),
        "tick_rate": params.clock_frequency,
        "detector_columns": params.columns,
        "detector_rows": params.rows,
        "guard_ring": params.guard_ring,
        "sample_bits": params.sample_bits,
        "kernel_size": params.kernel_size,
        "multipliers": params.multipliers,
        "buffer_bytes": params.buffer_bytes,
        "rows_per_packet": params.rows_per_packet,
        "audit_memory": int(params.audit),
        "convolution": params.convolution,
        "upload_memory": int(params.upload),
        "bias_dac": int(params.bias_dac),
    }


def defaults(params: Params) -> Mapping[str, int | list[int]]:
    """What the SETTING registers of a build with `params` hold after reset, in force too."""
    kernel = KERNELS["laplacian"].padded(params.kernel_size)
    values = {register.name: register.reset for register in REGISTERS if register.access is Access.SETTING}
    return {**values, "kernel_weights": list(kernel.flat), "kernel_shift": kernel.shift}


bus_signature = wiring.Signature({
    "access": Out(1),
    "write": Out(1),
    "address": Out(16),
    "value": Out(32),
    "done": In(1),
    "read_value": In(32),
    "status": In(ReplyStatus),
})  # fmt: skip
"""A read, or with `write` a write, of the register at `address`: all four are held until a clock with `done`, in which
the register after it and a `ReplyStatus` are shown."""


class _Kind(enum.Enum):
    """What a write to a register does; STORED keeps the value in the memory, LIVE in a register of its own."""

    UNKNOWN = 0
    READ_ONLY = 1
    STORED = 2
    LIVE = 3
    PULSE = 4


_KINDS = {
    Access.CONSTANT: _Kind.READ_ONLY,
    Access.STATUS: _Kind.READ_ONLY,
    Access.SETTING: _Kind.STORED,
    Access.DIRECT: _Kind.LIVE,
    Access.PULSE: _Kind.PULSE,
}
_SETTING_PLACES = [
    register.address + place
    for register in REGISTERS if register.access is Access.SETTING for place in range(register.count)
]  # fmt: skip
_WIDTHS = tuple(sorted({register.bits for register in REGISTERS}))
_description = data.StructLayout({"kind": _Kind, "width": range(len(_WIDTHS)), "signed": 1, "listed": _LISTED})
"""One register: `width` counts in _WIDTHS, `listed` has a bit for each value below _LISTED that it takes."""


_IN_LOGIC = {"rom_style": "logic"}
"""Of the descriptions: a few logic cells, where the block RAM of a small part is worth more."""


class RegisterBank(wiring.Component):
    """Every register of the map in one memory; a value that a register does not accept is refused and changes nothing.

    Settings are written to the memory and come into force together after `take_over`: they are copied while `busy`, so
    no frame may be under way. The memory outlasts a reset, behind which its settings come into force. An access takes 6
    clocks, and waits while settings are copied or looked up for META.
    Nothing saturates.

    Members
    -------
    bus : `bus_signature`
    take_over : one clock: settings come into force
    holds : accesses wait
    busy : from the next clock, and from a reset, until all of them are
    settings : `settings_layout`, those in force
    table_index, uart_divisor : the DIRECT registers
    pulsed : one clock for the PULSE register that was written; the word is on `bus.value`
    counters : `counters_signature`
    looks, look_address, looked_up : while `looks` is high, the register at the address, settings in force from
        `IN_FORCE` on; the value is there two clocks later
    duration_address, duration : a setting in force; the value is there a clock later
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "bus": In(bus_signature),
            "take_over": In(1),
            "holds": In(1),
            "busy": Out(1, init=1),
            "settings": Out(settings_layout(params), init={
                name: value for name, value in defaults(params).items() if name not in DURATIONS
            }),
            "table_index": Out(BY_NAME["table_index"].bits),
            "uart_divisor": Out(BY_NAME["uart_divisor"].bits, init=params.uart_divisor),
            "pulsed": Out(data.StructLayout({
                register.name: 1 for register in REGISTERS if register.access is Access.PULSE
            })),
            "counters": Out(counters_signature),
            "looks": In(1),
            "look_address": In(8),
            "looked_up": Out(32),
            "duration_address": In(8),
            "duration": Out(32),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        initial, described = self._initial()
        # A word that is written in the clock of its look-up is looked up again, or not at all, before it is used.
        m.submodules.values = values = memory.Memory(shape=32, depth=len(initial), init=initial)
        m.submodules.descriptions = descriptions = memory.Memory(
            shape=_description, depth=IN_FORCE, init=described, attrs=_IN_LOGIC
        )
        read, write, durations = values.read_port(), values.write_port(), values.read_port()
        description = descriptions.read_port()
        first, final = (min(_SETTING_PLACES), max(_SETTING_PLACES))
        bus, copied, shown = self.bus, Signal(7, init=first), Signal(8)
        known = ~bus.address[7:].any()
        self._word = bus.value
        if self._params.is_pipelined:
            # It comes out of a memory.
            self._word = Signal(32)
            m.d.sync += self._word.eq(bus.value)
        m.d.comb += [
            durations.addr.eq(self.duration_address),
            self.duration.eq(durations.data),
            description.addr.eq(bus.address),
            read.addr.eq(Mux(self.looks, self.look_address, Mux(self.busy, copied, Mux(known, bus.address, NOTHING)))),
            read.en.eq(1),
            write.addr.eq(Mux(self.busy, shown | IN_FORCE, bus.address)),
            write.data.eq(Mux(self.busy, read.data, self._word)),
        ]
        m.d.sync += [shown.eq(read.addr), self.looked_up.eq(read.data | self._live(m, shown))]

        accepted, decided, copies, fetched = Signal(), Signal(ReplyStatus), Signal(), Signal()
        m.d.comb += [bus.status.eq(decided), bus.read_value.eq(self.looked_up)]
        m.d.sync += self.pulsed.eq(0)
        # A clock after what was written with it, which may need it so long.
        moves_on = Signal()
        m.d.sync += moves_on.eq(self.pulsed.correction_data | self.pulsed.upload_data | self.pulsed.bias_data)
        with m.If(moves_on):
            m.d.sync += self.table_index.eq(self.table_index + 1)
        with m.If(self.take_over):
            m.d.sync += self.busy.eq(1)
        with m.FSM() as self._fsm:
            with m.State("IDLE"):
                with m.If(self.busy):
                    m.next = "COPY"
                with m.Elif(bus.access & ~self.take_over & ~self.holds):
                    m.next = "CHECK"
            # A clock of its own: the word and the description both come out of a memory.
            with m.State("CHECK"):
                m.d.sync += accepted.eq(self._accepts(m, description.data))
                m.next = "DECIDE"
            with m.State("DECIDE"):
                self._write(m, description.data.kind, known, accepted, decided, write.en)
                m.next = "READ"
            with m.State("READ"), m.If(~self.looks & ~self.busy):
                m.next = "SHOW"
            with m.State("SHOW"):
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += bus.done.eq(1)
                m.next = "IDLE"
            # Settings come into force one by one, each in the clock after it was read.
            with m.State("COPY"):
                m.d.comb += [copies.eq(fetched), write.en.eq(fetched)]
                m.d.sync += [copied.eq(copied + 1), fetched.eq(1)]
                with m.If(fetched & (shown == final)):
                    m.d.sync += [self.busy.eq(0), copied.eq(first), fetched.eq(0)]
                    m.next = "IDLE"
        self._bring_into_force(m, copies, shown, read.data)
        return m

    def _initial(self):
        """What both memories hold at first."""
        values = {**constants(self._params), **defaults(self._params)}
        initial, described = [0] * (2 * IN_FORCE), [self._describe(None)] * IN_FORCE
        for register in REGISTERS:
            value = values.get(register.name, register.reset)
            for place, one in enumerate(value if isinstance(value, list) else [value]):
                address = register.address + place
                described[address] = self._describe(register)
                # The others are shown live.
                if described[address]["kind"] is _Kind.STORED or register.access is Access.CONSTANT:
                    initial[address] = one & 0xFFFFFFFF
                if register.access is Access.SETTING:
                    initial[address + IN_FORCE] = one & 0xFFFFFFFF
        return initial, described

    def _describe(self, register: Register | None) -> Mapping[str, Any]:
        """The `_description` of a register in this build, or of none."""
        if register is None:
            return {"kind": _Kind.UNKNOWN}
        choices = register.choices
        if register.name == "stride":
            choices = self._params.strides
        elif register.name == "audit_period" and not self._params.audit:
            choices = (0,)
        elif register.name == "sample_source" and not self._params.upload:
            choices = (SampleSource.ADC, SampleSource.PATTERN)
        kind = _KINDS[register.access]
        listed = sum(
            1 << value for value in range(_LISTED) if (value in choices if choices else value >= register.least)
        )
        # A register of choices takes none that is not listed.
        width = (_LISTED - 1).bit_length() if choices else register.bits
        return {"kind": kind, "width": _WIDTHS.index(width), "signed": register.signed, "listed": listed}

    def _live(self, m: Module, address: Signal) -> Signal:
        """What registers read that are not in the memory, which holds 0 for them; 0 for all others."""
        live = Signal(32)
        with m.Switch(address):
            for register in REGISTERS:
                if register.access is Access.STATUS:
                    with m.Case(register.address):
                        m.d.comb += live.eq(getattr(self.counters, register.name))
            for name in ("table_index", "uart_divisor"):
                with m.Case(BY_NAME[name].address):
                    m.d.comb += live.eq(getattr(self, name))
        return live

    def _accepts(self, m: Module, told: data.View) -> Value:
        """Whether the register takes the word on the bus."""
        value, few = self._word, (_LISTED - 1).bit_length()
        fits = Signal()
        with m.Switch(Cat(told.width, told.signed)):
            for number, width in enumerate(_WIDTHS):
                with m.Case(number):
                    m.d.comb += fits.eq(~value[width:].any())
                with m.Case(number | 1 << len(told.width)):
                    m.d.comb += fits.eq(value[width - 1 :].all() | ~value[width - 1 :].any())
        return fits & (value[few:].any() | told.listed.bit_select(value[:few], 1))

    def _write(self, m: Module, kind: Value, known: Value, accepted: Value, decided: Signal, stores: Signal) -> None:
        """Decide what becomes of an access, and write."""
        bus, value = self.bus, self._word
        m.d.sync += decided.eq(ReplyStatus.OK)
        with m.If(~known | (kind == _Kind.UNKNOWN)):
            m.d.sync += decided.eq(ReplyStatus.UNKNOWN_ADDRESS)
        with m.Elif(bus.write & (kind == _Kind.READ_ONLY)):
            m.d.sync += decided.eq(ReplyStatus.READ_ONLY)
        with m.Elif(bus.write & ~accepted):
            m.d.sync += decided.eq(ReplyStatus.VALUE_REFUSED)
        with m.Elif(bus.write):
            m.d.comb += stores.eq(kind == _Kind.STORED)
            with m.Switch(bus.address):
                with m.Case(BY_NAME["table_index"].address):
                    m.d.sync += self.table_index.eq(value)
                with m.Case(BY_NAME["uart_divisor"].address):
                    m.d.sync += self.uart_divisor.eq(value)
                for name in self.pulsed.shape().members:
                    with m.Case(BY_NAME[name].address):
                        m.d.sync += self.pulsed[name].eq(1)

    def _bring_into_force(self, m: Module, copies: Value, address: Signal, value: Value) -> None:
        """Take over the one setting that was read; the weights come one after the other."""
        weights = self.settings.kernel_weights.as_value()
        # Settings are told apart by these bits of their address.
        with m.If(copies), m.Switch(address[:6]):
            for name in self.settings.shape().members:
                place = BY_NAME[name].address % 64
                if name == "kernel_weights":
                    with m.Case(*range(place, place + self._params.kernel_size**2)):
                        m.d.sync += weights.eq(Cat(weights[WEIGHT_BITS:], value[:WEIGHT_BITS]))
                else:
                    with m.Case(place):
                        m.d.sync += self.settings[name].eq(value)
