"""Which crystal? Published perovskite detectors, five kinds of model on them, and what the models are worth.

See docs/materials.md; `python -m sim.materials --help`.
"""
