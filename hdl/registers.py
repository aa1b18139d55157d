"""The register bank: generated from `edgeray.protocol.registers`.

register bus -> [RegisterBank] -> settings (in force), direct values, pulses -> stages
                     ^ counters and state <- stages
"""

from collections.abc import Mapping

from amaranth import Cat, Const, Module, Signal, signed, unsigned
from amaranth.hdl import Shape
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.packets import ReplyStatus
from edgeray.protocol.registers import PRODUCT_ID, PROTOCOL_VERSION, REGISTERS, Access, Register, SampleSource, register_map_hash
from hdl.params import Params


def _shape(register: Register) -> Shape:
    return signed(register.bits) if register.signed else unsigned(register.bits)


def bank_layout(params: Params, access: Access) -> data.StructLayout:
    """One field for every register of that access; the weights are an array as large as the build's kernel."""
    return data.StructLayout({
        register.name: _shape(register) if register.count == 1
        else data.ArrayLayout(_shape(register), params.kernel_size**2)
        for register in REGISTERS if register.access is access
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


bus_signature = wiring.Signature({
    "access": Out(1),
    "write": Out(1),
    "address": Out(16),
    "value": Out(32),
    "ready": In(1),
    "read_value": In(32),
    "status": In(8),
})  # fmt: skip
"""A read, or with `write` a write, of the register at `address` in a clock in which `access` and `ready` are high; the
register after it and a `ReplyStatus` are there from the next clock to the next access."""


class RegisterBank(wiring.Component):
    """Every register of the map; a value that a register does not accept is refused and changes nothing.

    Settings are written to a shadow and come into force together in the clock after `take_over`. Nothing saturates.

    Members
    -------
    bus : `bus_signature`
    take_over : one clock: settings come into force
    settings : the SETTING registers in force
    direct : the DIRECT registers
    pulses, pulsed : values of the PULSE registers, and for one clock the one written
    counters : `counters_signature`
    """

    def __init__(self, params: Params):
        self._params = params
        pulses = bank_layout(params, Access.PULSE)
        super().__init__({
            "bus": In(bus_signature),
            "take_over": In(1),
            "settings": Out(bank_layout(params, Access.SETTING), init=self._defaults()),
            "direct": Out(bank_layout(params, Access.DIRECT), init={
                register.name: register.reset for register in REGISTERS if register.access is Access.DIRECT
            }),
            "pulses": Out(pulses),
            "pulsed": Out(data.StructLayout({name: 1 for name, _ in pulses})),
            "counters": Out(counters_signature),
        })  # fmt: skip
        # Here, so that a proof can look at it.
        self.shadow = Signal(self.settings.shape(), init=self._defaults())

    def _defaults(self):
        kernel = KERNELS["laplacian"].padded(self._params.kernel_size)
        values = {register.name: register.reset for register in REGISTERS if register.access is Access.SETTING}
        return {**values, "kernel_weights": list(kernel.flat), "kernel_shift": kernel.shift}

    def elaborate(self, platform):
        m = Module()
        read = Signal(32)
        outcome = Signal(ReplyStatus)
        m.d.comb += self.bus.ready.eq(1)
        m.d.sync += self.pulsed.eq(0)
        with m.If(self.pulsed.correction_data | self.pulsed.upload_data | self.pulsed.bias_data):
            m.d.sync += self.direct.table_index.eq(self.direct.table_index + 1)
        with m.If(self.bus.access):
            m.d.comb += outcome.eq(ReplyStatus.UNKNOWN_ADDRESS)
            m.d.sync += [self.bus.status.eq(outcome), self.bus.read_value.eq(read)]
            with m.Switch(self.bus.address):
                for register in REGISTERS:
                    for place in range(min(register.count, self._params.kernel_size**2)):
                        with m.Case(register.address + place):
                            self._access(m, register, place, read, outcome)
        with m.If(self.take_over):
            m.d.sync += self.settings.eq(self.shadow)
        return m

    def _access(self, m, register: Register, place: int, read, outcome) -> None:
        """One register's part of an access."""
        name = register.name
        m.d.comb += outcome.eq(ReplyStatus.OK)
        if register.access is Access.CONSTANT:
            stored = Const(constants(self._params)[name], register.bits)
        elif register.access is Access.STATUS:
            stored = getattr(self.counters, name)
        elif register.access is Access.SETTING:
            stored = self.shadow[name] if register.count == 1 else self.shadow[name][place]
        elif register.access is Access.DIRECT:
            stored = self.direct[name]
        else:
            stored = Const(0, 1)
        m.d.comb += read.eq(stored)
        with m.If(self.bus.write):
            if register.access in (Access.CONSTANT, Access.STATUS):
                m.d.comb += outcome.eq(ReplyStatus.READ_ONLY)
                return
            with m.If(self._accepts(register)):
                if register.access is Access.PULSE:
                    m.d.sync += [self.pulses[name].eq(self.bus.value), self.pulsed[name].eq(1)]
                else:
                    m.d.sync += stored.eq(self.bus.value)
                    m.d.comb += read.eq(
                        Cat(self.bus.value[: register.bits]).as_signed() if register.signed else self.bus.value
                    )
            with m.Else():
                m.d.comb += outcome.eq(ReplyStatus.VALUE_REFUSED)

    def _accepts(self, register: Register):
        """Whether the register takes the value on the bus."""
        choices = register.choices
        if register.name == "stride":
            choices = self._params.strides
        elif register.name == "audit_period" and not self._params.audit:
            choices = (0,)
        elif register.name == "sample_source" and not self._params.upload:
            choices = (SampleSource.ADC, SampleSource.PATTERN)
        if choices:
            accepted = Const(0, 1)
            for choice in choices:
                accepted |= self.bus.value == choice
            return accepted
        if register.signed:
            beyond = self.bus.value[register.bits - 1 :]
            return beyond.all() | ~beyond.any()
        return ~self.bus.value[register.bits :].any() & (self.bus.value >= register.least)
