"""Where samples come from: the ADC, the upload memory, or the pattern generator.

              +-> ADC ------+
scan -> [Source -> Upload ---+-> Source] -> samples -> CDS
              +-> Pattern --+
"""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from edgeray.protocol.registers import BY_NAME, SampleSource
from hdl.layouts import request_layout, sample_layout
from hdl.params import Params
from hdl.pattern import Pattern
from hdl.relay import Relay
from hdl.upload import Upload


class Source(wiring.Component):
    """Passes a frame's requests to one source, and that source's samples on.

    Latency 1 clock more than the source's; its throughput, but at most a pixel every 2 clocks where the build is not
    pipelined. `ready` goes no further than this. Nothing saturates. Without
    `Params.upload` there is no memory; the register then refuses UPLOADED.

    Members
    -------
    i : stream of `request_layout`
    o : stream of `sample_layout`
    to_adc, from_adc : the same two streams of the ADC
    sample_source : register of that name; changes only while no request is unanswered
    row, column : of the pixel at `i`, constant while it waits
    image_id : number of the frame, constant during it
    table_index, upload_data, upload_write : see `Upload`
    """

    def __init__(self, params: Params):
        self._params = params
        requests, samples = stream.Signature(request_layout()), stream.Signature(sample_layout(params))
        super().__init__({
            "i": In(requests),
            "o": Out(samples),
            "to_adc": Out(requests),
            "from_adc": In(samples),
            "sample_source": In(BY_NAME["sample_source"].bits),
            "row": In(range(params.rows)),
            "column": In(range(params.columns)),
            "image_id": In(32),
            "table_index": In(BY_NAME["table_index"].bits),
            "upload_data": In(BY_NAME["upload_data"].bits),
            "upload_write": In(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.pattern = pattern = Pattern(self._params)
        m.d.comb += [
            pattern.row.eq(self.row),
            pattern.column.eq(self.column),
            pattern.image_id.eq(self.image_id),
        ]
        ways = {SampleSource.ADC: (self.to_adc, self.from_adc), SampleSource.PATTERN: (pattern.i, pattern.o)}
        if self._params.upload:
            m.submodules.upload = upload = Upload(self._params)
            for name in ("row", "column", "table_index", "upload_data", "upload_write"):
                m.d.comb += getattr(upload, name).eq(getattr(self, name))
            ways[SampleSource.UPLOADED] = upload.i, upload.o

        for requests, _ in ways.values():
            m.d.comb += requests.payload.eq(self.i.payload)
        # A register behind the choice: block RAM and CDS's subtraction are each long enough for one clock.
        chosen = self.o.signature.create()
        with m.Switch(self.sample_source):
            for source, (requests, samples) in ways.items():
                with m.Case(source):
                    m.d.comb += [requests.valid.eq(self.i.valid), self.i.ready.eq(requests.ready)]
                    m.d.comb += [chosen.valid.eq(samples.valid), samples.ready.eq(chosen.ready)]
                    m.d.comb += chosen.payload.eq(samples.payload)
        if self._params.is_pipelined:
            m.submodules.relay = relay = Relay(sample_layout(self._params))
            connect(m, chosen, relay.i)
            connect(m, relay.o, flipped(self.o))
        else:
            m.d.comb += chosen.ready.eq(~self.o.valid)
            with m.If(chosen.ready):
                m.d.sync += [self.o.valid.eq(chosen.valid), self.o.payload.eq(chosen.payload)]
            with m.Elif(self.o.ready):
                m.d.sync += self.o.valid.eq(0)
        return m
