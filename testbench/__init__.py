"""cocotb benches: every stage and the whole readout against the golden model; formal checks of the streams."""
