"""What a board must have computed: corrected pixels -> kernel responses, from what META says of the settings.

pixels of an audit frame -> [edges] -> values, kept -> compared with what the board sent by `edgeray.audit`
"""

import numpy as np
import numpy.typing as npt

from edgeray.meta import Meta
from edgeray.payload import Kept, Values
from edgeray.protocol.registers import Convolution, ThresholdMode


def edges(pixels: npt.NDArray[np.integer], meta: Meta) -> tuple[Values, Kept]:
    """Kernel responses of one frame, those under the threshold 0.

    The kernel lies over every pixel of the imaging area (stride 1) or over the centre of every complete macro-pixel;
    beyond the imaging area's border its outermost pixels go on. The response is sum(weight * pixel) / 2**kernel_shift,
    halves rounded up, clipped to full scale; in the guard ring it is 0. Where the sensor itself convolves, a pixel is a
    response, half of full scale more.

    Parameters
    ----------
    pixels : integers[meta.raw_shape], codes, 0 to full scale.
    meta : in edge readout.

    Returns
    -------
    int16[meta.shape], codes, and bool[meta.shape]: those that are sent.

    Raises ValueError where the pixels have another shape, or in raw readout.
    """
    if pixels.shape != meta.raw_shape or meta.edge_coding is None:
        raise ValueError(f"edges wants {meta.raw_shape} pixels of edge readout, not {pixels.shape}")
    ring = meta.guard_ring
    imaging = pixels[ring : meta.rows - ring, ring : meta.columns - ring].astype(np.int32)
    if meta.convolution is Convolution.SENSOR:
        responses = imaging - (1 << (meta.sample_bits - 1))
    else:
        responses = _convolved(imaging, meta)

    if meta.threshold_mode == ThresholdMode.OFF:
        kept = np.ones(responses.shape, np.bool_)
    else:
        size = responses if meta.threshold_mode == ThresholdMode.POSITIVE else np.abs(responses)
        kept = size >= meta.edge_threshold
    values = np.where(kept, responses, 0).astype(np.int16)
    if meta.stride == 1:
        # The guard ring has no responses; all the same the threshold's OFF keeps it.
        values = np.pad(values, ring)
        kept = np.pad(kept, ring, constant_values=meta.threshold_mode == ThresholdMode.OFF)
    return values, kept


def _convolved(imaging: npt.NDArray[np.int32], meta: Meta) -> npt.NDArray[np.int32]:
    """Responses at every kernel position of the imaging area."""
    stride, detector = meta.stride, meta.detector
    bordered = np.pad(imaging, detector.radius, mode="edge")
    # A macro-pixel's position is its middle.
    first = stride // 2
    rows, columns = (side // stride for side in imaging.shape)
    total = np.zeros((rows, columns), np.int32)
    for (down, right), weight in np.ndenumerate(meta.kernel.astype(np.int32)):
        down_to, right_to = first + down + stride * rows, first + right + stride * columns
        total += weight * bordered[first + down : down_to : stride, first + right : right_to : stride]
    half = (1 << meta.kernel_shift) >> 1
    responses: npt.NDArray[np.int32] = np.clip(
        (total + half) >> meta.kernel_shift, -detector.full_scale, detector.full_scale
    )
    return responses
