"""Amaranth gateware: one stage a file, `hdl.readout` wires them. Imports `edgeray.protocol` alone."""
