"""The readout core between registers, as the virtual board's program drives it.

    sample ports, rx -> register -> hdl.readout -> outputs, tx

An input that went straight to the core would make the simulator work out before every clock edge all that depends on
it; behind a register nothing does, which makes it more than twice as fast. The program allows for that clock.
"""

from amaranth import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.params import Params
from hdl.readout import Readout


class Harness(wiring.Component):  # type: ignore[misc]
    """`hdl.readout.Readout` whose inputs come one clock later.

    Members
    -------
    clk : rising edge here; the build makes it either edge
    row, column, reset, sample_reset, sample_signal : of the core's `roic`
    convert : of the core's `adc`
    reset_sample, signal_sample : reach the core in the next clock; in the same one where adc_latency is 0
    tx_valid, tx_payload : byte to the host, always taken
    rx_valid, rx_payload : byte from the host
    rx_taken : the byte is taken at the end of this clock
    busy, armed, image_id : as of the core
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        super().__init__({
            "clk": In(1),
            "row": Out(range(params.rows)),
            "column": Out(range(params.columns)),
            "reset": Out(1),
            "sample_reset": Out(1),
            "sample_signal": Out(1),
            "convert": Out(1),
            "reset_sample": In(params.sample_bits),
            "signal_sample": In(params.sample_bits),
            "tx_valid": Out(1),
            "tx_payload": Out(8),
            "rx_valid": In(1),
            "rx_payload": In(8),
            "rx_taken": Out(1),
            "busy": Out(1),
            "armed": Out(1),
            "image_id": Out(32),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # No reset input: all that it resets would depend on it. The registers' initial values do the same.
        m.domains.sync = sync = ClockDomain(reset_less=True)
        m.d.comb += sync.clk.eq(self.clk)
        m.submodules.readout = readout = Readout(self._params)
        for name in ("row", "column", "reset", "sample_reset", "sample_signal"):
            m.d.comb += getattr(self, name).eq(getattr(readout.roic, name))
        m.d.comb += self.convert.eq(readout.adc.convert)
        domain = m.d.sync if self._params.adc_latency else m.d.comb
        domain += [readout.adc.reset_sample.eq(self.reset_sample), readout.adc.signal_sample.eq(self.signal_sample)]
        valid, payload = Signal(), Signal(8)
        with m.If(self.rx_taken):
            m.d.sync += [valid.eq(self.rx_valid), payload.eq(self.rx_payload)]
        m.d.comb += [
            self.rx_taken.eq(~valid | readout.rx.ready),
            readout.rx.valid.eq(valid),
            readout.rx.payload.eq(payload),
            readout.tx.ready.eq(1),
            self.tx_valid.eq(readout.tx.valid),
            self.tx_payload.eq(readout.tx.payload),
            self.busy.eq(readout.busy),
            self.armed.eq(readout.armed),
            self.image_id.eq(readout.image_id),
        ]
        return m
