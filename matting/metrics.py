"""SAD, MSE, Grad and Conn of a matte over the unknown region (Rhemann et al., CVPR 2009; Xu et al., CVPR 2017).

Mattes are (H, W) float in [0, 1], `unknown` is (H, W) bool; inputs are never altered, and every metric is 0 where
nothing is unknown. Arithmetic stays in small tiles around unknown pixels: whole images would not fit the processor's
cache. Sums are float64.
"""
from dataclasses import dataclass

import cv2
import numpy as np

from matting.trimap import unknown_region

METRICS = ("sad", "mse", "grad", "conn")
SIGMA = 1.4  # of the gradient's Gaussian, pixels; Rhemann et al. 2009
STEPS = 10  # connectivity's steps of 0.1
THETA = 0.15  # connectivity: differences below this count as connected
TILE = 128  # largest side of a tile, pixels
COARSE = 16  # spacing of the grid on which a largest component is guessed, pixels


@dataclass(frozen=True)
class Protocol:
    """How two programs differ whose figures go by the same names."""

    stretch: bool  # all four metrics see stretched mattes; the gradient always does
    gradient_radius: int  # half-width of its kernels
    gradient_norm: int  # 1: the Gaussian sums to 1; 2: both kernels have unit L2 norm
    gradient_border: int  # OpenCV's rule for what lies beyond the edge
    gradient_unit: float


PROTOCOLS = {
    "release": Protocol(True, 6, 1, cv2.BORDER_REFLECT, 10),  # model-zoo release, SciPy's Gaussian derivatives
    "adobe": Protocol(False, 4, 2, cv2.BORDER_REPLICATE, 1000),  # Composition-1k evaluation code of Xu et al.
}


def evaluate(prediction, alpha, trimap, protocol):
    """All four metrics of a matte against the true alpha -> {"sad", "mse", "grad", "conn"}.

    protocol: a key of PROTOCOLS; figures of different protocols cannot be compared.
    """
    unknown = unknown_region(trimap)
    if PROTOCOLS[protocol].stretch:
        prediction, alpha = stretch(prediction), stretch(alpha)
    return {
        "sad": sad(prediction, alpha, unknown),
        "mse": mse(prediction, alpha, unknown),
        "grad": gradient_error(prediction, alpha, unknown, protocol),
        "conn": connectivity_error(prediction, alpha, unknown),
    }


def stretch(matte):
    """A matte's own minimum and maximum become 0 and 1; a constant matte has no range to stretch and stays as it is."""
    low, high = matte.min(), matte.max()
    if low == high or (low, high) == (0, 1):
        return matte
    stretched = matte - low
    stretched /= high - low
    return stretched


def sad(prediction, alpha, unknown):
    """Sum of absolute differences / 1000."""
    return sum(cv2.norm(prediction[tile] - alpha[tile], cv2.NORM_L1, mask) for tile, mask in _tiles(unknown)) / 1000


def mse(prediction, alpha, unknown):
    """Mean squared difference."""
    total = sum(cv2.norm(prediction[tile] - alpha[tile], cv2.NORM_L2SQR, mask) for tile, mask in _tiles(unknown))
    return total / max(1, np.count_nonzero(unknown))


def gradient_error(prediction, alpha, unknown, protocol):
    """Sum of squared differences of the stretched mattes' gradient magnitudes, in the protocol's unit."""
    protocol = PROTOCOLS[protocol]
    radius = protocol.gradient_radius
    kernels = _gaussian_and_derivative(radius, protocol.gradient_norm)
    mattes = stretch(prediction), stretch(alpha)
    total = 0.0
    for tile, mask in _tiles(unknown):
        padded = (_with_border(matte, tile, radius, protocol.gradient_border) for matte in mattes)
        difference = _magnitude_difference(*padded, *kernels)[radius:-radius, radius:-radius]
        total += cv2.norm(difference, cv2.NORM_L2SQR, mask)
    return total / protocol.gradient_unit


def connectivity_error(prediction, alpha, unknown):
    """Sum of differences in how far each pixel's value exceeds the level at which it is still connected, / 1000.

    A pixel's level is the last of the steps 0, 0.1 .. 1 before it drops out of the largest 4-connected component of
    pixels that both mattes hold at that step or above (the first in raster order where two are equally large).
    """
    reached = np.empty(alpha.shape, np.uint8)
    for top in range(0, len(alpha), TILE):
        rows = np.s_[top:top + TILE]  # binary has no 0.3, but x * 10 reaches 3 where x reaches what it has for 0.3
        reached[rows] = np.minimum(prediction[rows], alpha[rows]) * STEPS
    connected = _connected_steps(reached)
    total = 0.0
    for tile, mask in _tiles(unknown):
        level = np.divide(connected[tile], STEPS, dtype=alpha.dtype)
        total += cv2.norm(_excess(prediction[tile], level) - _excess(alpha[tile], level), cv2.NORM_L1, mask)
    return total / 1000


def _tiles(unknown):
    """(rows and columns, uint8 mask) of tiles that hold every unknown pixel, each once, and little else."""
    unknown = unknown.view(np.uint8)
    for y in range(0, unknown.shape[0], TILE):
        for x in range(0, unknown.shape[1], TILE):
            left, top, width, height = cv2.boundingRect(unknown[y:y + TILE, x:x + TILE])
            if width:
                tile = np.s_[y + top:y + top + height, x + left:x + left + width]
                yield tile, unknown[tile]


def _gaussian_and_derivative(radius, norm):
    """1-D kernels (2 radius + 1,) of a Gaussian and of its derivative, up to sign."""
    x = np.arange(-radius, radius + 1)
    gaussian = np.exp(-x**2 / (2 * SIGMA**2))
    derivative = gaussian * x / SIGMA**2
    if norm == 1:
        return gaussian / gaussian.sum(), derivative / gaussian.sum()
    return gaussian / np.linalg.norm(gaussian), derivative / np.linalg.norm(derivative)


def _with_border(matte, tile, radius, border):
    """A tile of the matte and `radius` pixels around it, beyond the image's edge by OpenCV's rule `border`."""
    rows, columns = tile
    height, width = matte.shape
    inside = matte[max(0, rows.start - radius):rows.stop + radius, max(0, columns.start - radius):columns.stop + radius]
    missing = (radius - rows.start, rows.stop + radius - height, radius - columns.start, columns.stop + radius - width)
    if max(missing) <= 0:
        return inside
    return cv2.copyMakeBorder(inside, *(max(0, pixels) for pixels in missing), border)


def _magnitude_difference(prediction, alpha, gaussian, derivative):
    """|grad prediction| - |grad alpha| in float32; wrong within the kernels' radius of the border.

    Computed as (|p|^2 - |a|^2) / (|p| + |a|), the numerator from the gradient of p - a: the difference of two rounded
    magnitudes would lose its digits where a matte is close to the truth.
    """
    alpha_x, alpha_y = _gradient(alpha, gaussian, derivative)
    change_x, change_y = _gradient(prediction - alpha, gaussian, derivative)
    prediction_x, prediction_y = alpha_x + change_x, alpha_y + change_y
    squares = change_x * (alpha_x + prediction_x) + change_y * (alpha_y + prediction_y)
    magnitudes = (np.sqrt(alpha_x * alpha_x + alpha_y * alpha_y)  # cv2.magnitude's last digit varies from run to run
                  + np.sqrt(prediction_x * prediction_x + prediction_y * prediction_y))
    return squares / np.maximum(magnitudes, np.finfo(np.float32).tiny)


def _gradient(matte, gaussian, derivative):
    """(along x, along y), float32. Both as derivatives of columns, which OpenCV finds exactly 0 in flat areas."""
    matte = matte.astype(np.float32, copy=False)
    along_x = cv2.transpose(cv2.sepFilter2D(cv2.transpose(matte), -1, gaussian, derivative))
    return along_x, cv2.sepFilter2D(matte, -1, gaussian, derivative)


def _connected_steps(reached):
    """(H, W) uint8 step 0..10 that both mattes reach -> the step up to which each pixel is in the largest component."""
    left, top, width, height = cv2.boundingRect(reached)
    box = np.ascontiguousarray(reached[top:top + height, left:left + width])
    connected, at_least, total = np.ones_like(box), np.empty_like(box), np.zeros_like(box)
    for step in range(1, STEPS + 1):
        np.greater_equal(box, step, out=at_least.view(bool))
        connected &= largest_component(at_least)
        total += connected
    steps = np.zeros_like(reached)
    steps[top:top + height, left:left + width] = total
    return steps


def largest_component(pixels):
    """The largest 4-connected component of ones in (H, W) uint8 of zeros and ones, as such an array.

    Labelling is the slow part of all metrics. But a component that holds more than half of the pixels is the largest,
    and a flood fill measures it in a quarter of the time; a coarse grid guesses where to start.
    """
    labels, areas = _components(pixels[::COARSE, ::COARSE])
    if areas.size:
        y, x = np.unravel_index((labels == 1 + areas.argmax()).argmax(), labels.shape)
        component = np.zeros((pixels.shape[0] + 2, pixels.shape[1] + 2), np.uint8)  # OpenCV wants a border
        seed = (int(x) * COARSE, int(y) * COARSE)
        area = cv2.floodFill(pixels, component, seed, 0, flags=4 | cv2.FLOODFILL_MASK_ONLY | 1 << 8)[0]
        if 2 * area > np.count_nonzero(pixels.view(bool)):
            return component[1:-1, 1:-1]
    labels, areas = _components(pixels)
    if not areas.size:
        return np.zeros_like(pixels)
    return (labels == 1 + areas.argmax()).view(np.uint8)


def _components(pixels):
    """(H, W) int32 labels, 0 where pixels are 0, and the areas of labels 1, 2 ..."""
    labels, statistics = cv2.connectedComponentsWithStats(pixels, connectivity=4)[1:3]
    return labels, statistics[1:, cv2.CC_STAT_AREA]


def _excess(matte, level):
    """How far a matte exceeds the level at which it is connected, where that is far enough to count."""
    distance = matte - level
    return distance * (distance >= THETA)
