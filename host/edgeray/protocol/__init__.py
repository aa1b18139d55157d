"""What both ends of the wire agree on: packets, registers, kernels. Imports nothing else of edgeray."""
