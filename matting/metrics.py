"""SAD, MSE, Grad and Conn of a matte over the unknown region (Rhemann et al., CVPR 2009; Xu et al., CVPR 2017).

Mattes are (H, W) float in [0, 1], `unknown` is (H, W) bool; inputs are never altered, and every metric is 0 where
nothing is unknown. Arithmetic stays in small tiles around unknown pixels: whole images would not fit the processor's
cache. Sums are float64.
"""
from dataclasses import dataclass

import cv2
import numpy as np

from matting.errors import UserError
from matting.trimap import unknown_region

METRICS = ("sad", "mse", "grad", "conn")
SIGMA = 1.4  # of the gradient's Gaussian, pixels; Rhemann et al. 2009
STEPS = 10  # connectivity's steps of 0.1
THETA = 0.15  # connectivity: differences below this count as connected
TILE = 192  # largest side of a tile, pixels
STRIP = 32  # rows at a time, where whole images are looked at
TINY = np.finfo(np.float32).tiny  # in place of a divisor 0, whose dividend is 0 too
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

    Mattes of whole numbers, as in files of 8 or 16 bits, are divided by their type's largest. trimap: None where all of
    the image counts. protocol: a key of PROTOCOLS; figures of different protocols cannot be compared. Raises UserError
    for arrays of different sizes and for another protocol.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    unknown = np.ones(alpha.shape, bool) if trimap is None else unknown_region(trimap)
    if not prediction.shape == alpha.shape == unknown.shape:
        raise UserError(f"prediction {prediction.shape}, alpha {alpha.shape} and trimap {unknown.shape} must be of one "
                        "size, (H, W)")
    tiles = unknown_tiles(unknown)
    prediction, alpha = map(_to_unit_range, (prediction, alpha))
    kind = np.result_type(prediction, alpha)
    mattes = prediction.astype(kind, copy=False), alpha.astype(kind, copy=False)
    stretched = tuple(map(stretch, mattes))
    mattes = stretched if PROTOCOLS[protocol].stretch else mattes
    return {
        "sad": sad(*mattes, tiles),
        "mse": mse(*mattes, tiles),
        "grad": gradient_error(*stretched, tiles, protocol),
        "conn": connectivity_error(*mattes, tiles),
    }


def _to_unit_range(matte):
    """Whole numbers become float32 in [0, 1]."""
    return matte / np.float32(np.iinfo(matte.dtype).max) if matte.dtype.kind in "iu" else matte


def unknown_tiles(unknown):
    """[(rows and columns, uint8 mask)] of tiles that hold every unknown pixel, each once, and little else."""
    unknown = unknown.view(np.uint8)
    tiles = []
    for y in range(0, unknown.shape[0], TILE):
        for x in range(0, unknown.shape[1], TILE):
            left, top, width, height = cv2.boundingRect(unknown[y:y + TILE, x:x + TILE])
            if width:
                tile = np.s_[y + top:y + top + height, x + left:x + left + width]
                tiles.append((tile, unknown[tile]))
    return tiles


def stretch(matte):
    """A matte's own minimum and maximum become 0 and 1; a constant matte has no range to stretch and stays as it is."""
    low = high = matte[0, 0]
    for top in range(0, len(matte), STRIP):
        strip = matte[top:top + STRIP]
        low, high = min(low, strip.min()), max(high, strip.max())
        if (low, high) == (0, 1):
            return matte
    if low == high:
        return matte
    stretched = matte - low
    stretched /= high - low
    return stretched


def sad(prediction, alpha, tiles):
    """Sum of absolute differences / 1000, over the tiles of `unknown_tiles`."""
    return sum(cv2.norm(prediction[tile], alpha[tile], cv2.NORM_L1, mask) for tile, mask in tiles) / 1000


def mse(prediction, alpha, tiles):
    """Mean squared difference, over the same."""
    total = sum(cv2.norm(prediction[tile], alpha[tile], cv2.NORM_L2SQR, mask) for tile, mask in tiles)
    return total / max(1, sum(cv2.countNonZero(mask) for _, mask in tiles))


def gradient_error(prediction, alpha, tiles, protocol):
    """Sum of squared differences of gradient magnitudes, in the protocol's unit; of mattes that were stretched."""
    protocol = PROTOCOLS[protocol]
    radius = protocol.gradient_radius
    kernels = _gaussian_and_derivative(radius, protocol.gradient_norm)
    total = 0.0
    for tile, mask in tiles:
        padded = (_with_border(matte, tile, radius, protocol.gradient_border) for matte in (prediction, alpha))
        total += cv2.norm(_magnitude_difference(*padded, *kernels), cv2.NORM_L2SQR, mask)
    return total / protocol.gradient_unit


def connectivity_error(prediction, alpha, tiles):
    """Sum of differences in how far each pixel's value exceeds the level at which it is still connected, / 1000.

    A pixel's level is the last of the steps 0, 0.1 .. 1 before it drops out of the largest 4-connected component of
    pixels that both mattes hold at that step or above (the first in raster order where two are equally large).
    """
    reached = np.empty(alpha.shape, np.uint8)
    for top in range(0, len(alpha), STRIP):
        rows = np.s_[top:top + STRIP]
        steps = np.minimum(prediction[rows], alpha[rows])
        steps *= STEPS  # binary has no 0.3, but x * 10 reaches 3 where x reaches what it has for 0.3
        reached[rows] = steps
    connected = _connected_steps(reached)
    total = 0.0
    for tile, mask in tiles:
        level = np.divide(connected[tile], STEPS, dtype=alpha.dtype)
        total += cv2.norm(_excess(prediction[tile], level), _excess(alpha[tile], level), cv2.NORM_L1, mask)
    return total / 1000


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
    """|grad prediction| - |grad alpha| in float32, without the border of the kernels' radius.

    Computed as (|p|^2 - |a|^2) / (|p| + |a|), the numerator from the gradient of p - a: the difference of two rounded
    magnitudes would lose its digits where a matte is close to the truth.
    """
    alpha_x, alpha_y = _gradient(alpha, gaussian, derivative)
    change_x, change_y = _gradient(prediction - alpha, gaussian, derivative)
    prediction_x, prediction_y = alpha_x + change_x, alpha_y + change_y
    change_x *= alpha_x + prediction_x
    change_y *= alpha_y + prediction_y
    change_x += change_y
    change_x /= np.maximum(_magnitude(alpha_x, alpha_y) + _magnitude(prediction_x, prediction_y), TINY)
    return change_x


def _magnitude(x, y):
    """sqrt(x^2 + y^2), in place of x and y. The last digit of OpenCV's varies from run to run."""
    x *= x
    y *= y
    x += y
    return np.sqrt(x, out=x)


def _gradient(matte, gaussian, derivative):
    """(along x, along y), float32, without the border of the kernels' radius.

    Both are found as derivatives of columns, which OpenCV finds exactly 0 in flat areas.
    """
    matte = matte.astype(np.float32, copy=False)
    radius = len(gaussian) // 2
    inner = np.s_[radius:-radius, radius:-radius]
    along_x = cv2.sepFilter2D(cv2.transpose(matte), -1, gaussian, derivative)[inner]
    return cv2.transpose(along_x), cv2.sepFilter2D(matte, -1, gaussian, derivative)[inner].copy()


def _connected_steps(reached):
    """(H, W) uint8 step 0..10 that both mattes reach -> the step up to which each pixel is in the largest component."""
    left, top, width, height = cv2.boundingRect(reached)
    box = np.ascontiguousarray(reached[top:top + height, left:left + width])
    connected, seed = np.zeros_like(box), None
    for step in range(STEPS, 0, -1):
        component = None if seed is None else _majority(box, step, seed)
        if component is None:
            component = largest_component(box, step)
            connected += 1
            connected *= component
            seed = np.unravel_index(component.argmax(), component.shape) if component.any() else None
        else:  # it holds the component above, which holds the seed too: no pixel leaves
            connected += component
    steps = np.zeros_like(reached)
    steps[top:top + height, left:left + width] = connected
    return steps


def largest_component(reached, step):
    """The largest 4-connected component of (H, W) uint8 `reached` at `step` or above: an array of 1 there, else 0.

    Labelling is the slow part of all metrics, so a coarse grid guesses a pixel of the component first.
    """
    labels, areas = _components((reached[::COARSE, ::COARSE] >= step).view(np.uint8))
    if areas.size:
        places = np.flatnonzero(labels == 1 + areas.argmax())  # the middle one: the first may be a speck beside it
        y, x = divmod(int(places[len(places) // 2]), labels.shape[1])
        component = _majority(reached, step, (y * COARSE, x * COARSE))
        if component is not None:
            return component
    labels, areas = _components((reached >= step).view(np.uint8))
    if not areas.size:
        return np.zeros_like(reached)
    return (labels == 1 + areas.argmax()).view(np.uint8)


def _majority(reached, step, seed):
    """The component at `step` or above that holds the pixel `seed`, if it is more than half of them all, else None.

    It then is the largest, and a flood fill finds it in a twentieth of the time that labelling takes.
    """
    component = np.zeros((reached.shape[0] + 2, reached.shape[1] + 2), np.uint8)  # OpenCV wants a border
    area = cv2.floodFill(reached, component, tuple(map(int, seed[::-1])), 0, int(reached[seed]) - step, STEPS,
                         flags=4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | 1 << 8)[0]
    if 2 * area > cv2.countNonZero(reached) or 2 * area > np.count_nonzero(reached >= step):
        return component[1:-1, 1:-1]
    return None


def _components(pixels):
    """(H, W) int32 labels, 0 where pixels are 0, and the areas of labels 1, 2 ..."""
    labels, statistics = cv2.connectedComponentsWithStats(pixels, connectivity=4)[1:3]
    return labels, statistics[1:, cv2.CC_STAT_AREA]


def _excess(matte, level):
    """How far a matte exceeds the level at which it is connected, where that is far enough to count."""
    distance = matte - level
    below = float(np.nextafter(distance.dtype.type(THETA), distance.dtype.type(0)))  # OpenCV asks for more than that
    return cv2.threshold(distance, below, 0, cv2.THRESH_TOZERO, dst=distance)[1]
