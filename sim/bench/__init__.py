"""Measurements against named peers: `python -m sim.bench [PART ...]`; a part is a file here with a `main`."""
