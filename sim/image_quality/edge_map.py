"""An edge map against the right one: how many edges are true, how many are found, and how far off they are.

kept pixels, noise-free edges -> [edge_map] -> precision, recall, F1, localisation error
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from sim.image_quality.errors import ImageQualityError

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EdgeQuality:
    """What an edge map is worth.

    Parameters
    ----------
    precision : part of the pixels found that lie at an edge; 1 where none was found.
    recall : part of the edge's pixels that were found; 1 where there are none.
    localisation_px : root mean square distance, in pixels, of the pixels found at an edge to the edge; NaN without any.
    """

    precision: float
    recall: float
    localisation_px: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def edge_quality(found: Mask, right: Mask, *, tolerance_px: float = 1.5) -> EdgeQuality:
    """How well `found` agrees with `right`.

    A pixel counts as at an edge where one of the other map is within `tolerance_px`: a second derivative answers on
    either side of a step, next to it.

    Parameters
    ----------
    found, right : bool[..., rows, columns], one map or a stack of them.
    tolerance_px : distance in pixels, Euclidean.

    Raises
    ------
    ImageQualityError : maps that are not boolean or not of one shape, a negative tolerance.
    """
    if found.dtype != np.bool_ or right.dtype != np.bool_ or found.shape != right.shape or found.ndim < 2:
        raise ImageQualityError(
            f"edge maps are bool[..., rows, columns] of one shape, not {found.dtype}{found.shape} and "
            f"{right.dtype}{right.shape}"
        )
    if not tolerance_px >= 0:
        raise ImageQualityError(f"tolerance_px is a distance, not {tolerance_px}")
    shape = found.shape[-2:]
    true = hits = 0
    squares = 0.0
    for one, other in zip(found.reshape(-1, *shape), right.reshape(-1, *shape), strict=True):
        to_edge = _distance(other)[one]
        near = to_edge <= tolerance_px
        true += int(near.sum())
        squares += float((to_edge[near] ** 2).sum())
        hits += int((_distance(one)[other] <= tolerance_px).sum())
    return EdgeQuality(
        precision=true / int(found.sum()) if found.any() else 1.0,
        recall=hits / int(right.sum()) if right.any() else 1.0,
        localisation_px=float(np.sqrt(squares / true)) if true else float("nan"),
    )


def _distance(edges: Mask) -> npt.NDArray[np.float64]:
    """Distance of every pixel to the nearest edge, in pixels; infinite where there is none."""
    if not edges.any():
        return np.full(edges.shape, np.inf)
    return np.asarray(distance_transform_edt(~edges))
