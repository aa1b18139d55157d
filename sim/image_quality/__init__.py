"""How good an image is: MTF from a slanted edge, NPS, DQE, and an edge map against the right one.

images of the twin (or of a board) -> [image_quality] -> sim.paper, sim.explore
"""

from sim.image_quality.edge_map import EdgeQuality, edge_quality
from sim.image_quality.errors import ImageQualityError
from sim.image_quality.mtf import Mtf, slanted_edge
from sim.image_quality.noise import Nps, dqe, noise_power

__all__ = ["EdgeQuality", "ImageQualityError", "Mtf", "Nps", "dqe", "edge_quality", "noise_power", "slanted_edge"]
