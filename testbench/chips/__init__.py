"""Behavioural models of the chips at the gateware's pins; they refuse timing that their data sheets do not allow.

A model knows nothing of the gateware or the simulator: it is told each change of a pin with its time in nanoseconds.
"""
