"""The wire format as a page for whoever writes a decoder, generated from `edgeray.protocol`.

edgeray.protocol (numbers, layouts) -+-> [specification] -> docs/wire-format.md
sim.golden (worked examples) --------+

Every number of the page is read from the description or computed by the golden model when the page is written.
"""
