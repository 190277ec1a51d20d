"""The four matting metrics transcribed straight from their definitions with SciPy and scikit-image.

Slow and plain on purpose: what matting.metrics is tested against and timed against. It prints what the field's two
evaluation programs print (shared/data/metric-golden).
"""
import numpy as np
from scipy import ndimage
from skimage import measure

SIGMA = 1.4  # Rhemann et al., CVPR 2009


def evaluate(prediction, alpha, trimap, protocol):
    """(H, W) float mattes in [0, 1] and a trimap -> {"sad", "mse", "grad", "conn"}; protocol: release or adobe."""
    unknown = trimap == 128
    if protocol == "release":
        prediction, alpha = stretch(prediction), stretch(alpha)
    difference = (prediction - alpha)[unknown]
    return {
        "sad": np.abs(difference).sum(dtype=np.float64) / 1000,
        "mse": np.square(difference).mean(dtype=np.float64),
        "grad": gradient_error(prediction, alpha, unknown, protocol),
        "conn": connectivity_error(prediction, alpha, unknown),
    }


def stretch(matte):
    return (matte - matte.min()) / (matte.max() - matte.min())


def gradient_error(prediction, alpha, unknown, protocol):
    if protocol == "release":
        difference = _release_gradient(prediction) - _release_gradient(alpha)
    else:
        difference = _adobe_gradient(stretch(prediction)) - _adobe_gradient(stretch(alpha))
    return np.square(difference)[unknown].sum(dtype=np.float64) / {"release": 10, "adobe": 1000}[protocol]


def _release_gradient(matte):
    return np.hypot(ndimage.gaussian_filter(matte, SIGMA, order=(0, 1)),
                    ndimage.gaussian_filter(matte, SIGMA, order=(1, 0)))


def _adobe_gradient(matte):
    half = int(np.ceil(SIGMA * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * SIGMA * 0.01))))
    x = np.arange(-half, half + 1)
    gaussian = np.exp(-x**2 / (2 * SIGMA**2)) / (SIGMA * np.sqrt(2 * np.pi))
    kernel = np.outer(gaussian, -x * gaussian / SIGMA**2)
    kernel /= np.sqrt(np.square(kernel).sum())
    return np.hypot(ndimage.convolve(matte, kernel, mode="nearest"),
                    ndimage.convolve(matte, kernel.T, mode="nearest"))


def connectivity_error(prediction, alpha, unknown):
    level = np.full(alpha.shape, -1, alpha.dtype)
    for step in range(1, 11):
        threshold = step / 10
        labels = measure.label((prediction >= threshold) & (alpha >= threshold), connectivity=1)
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        largest = (labels == sizes.argmax()) & (labels > 0)
        level[(level == -1) & ~largest] = (step - 1) / 10
    level[level == -1] = 1
    difference = _phi(prediction, level) - _phi(alpha, level)
    return np.abs(difference)[unknown].sum(dtype=np.float64) / 1000


def _phi(matte, level):
    distance = matte - level
    return 1 - distance * (distance >= 0.15)
