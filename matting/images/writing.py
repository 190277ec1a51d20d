"""Writing image files, whole or not at all."""
import cv2

from matting.files import atomic_path


def write_png(path, pixels, compression=1):
    """Write uint8 (H, W), (H, W, 3) RGB or (H, W, 4) RGBA losslessly and atomically.

    compression 0..9: level 1 takes a twentieth of level 9's time for 7 % more bytes.
    """
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, order[pixels.shape[2]])
    encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, compression])[1]
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
