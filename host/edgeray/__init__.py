"""Host side of the edgeray X-ray detector readout."""
