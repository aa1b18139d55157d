"""Golden vectors: streams of the wire format, and what a decoder has to make of each.

scene -> sim.golden -> [vectors] -> tests/vectors/NAME.bin (the bytes), NAME.json (what comes out), README.md

What comes out is what went into the golden pipeline, with what the vector damages taken away; no decoder is asked.
"""

FORMAT = "edgeray-wire-vector/1"
