"""Boards: one thin file each, with its pins, clocks and link around `hdl.readout`. None is described yet."""
