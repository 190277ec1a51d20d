"""The documented preparation, transcribed straight: one composite after the other, PNG compression level 9.

Plain on purpose: what data.process_dataset is timed against.
"""
import math

import cv2
import numpy as np


def prepare(original, mask, backgrounds, folder):
    """Compose one foreground over each background and write folder/0.png, folder/1.png, ...; all arguments paths."""
    foreground = cv2.imread(str(original)).astype(np.float32)
    alpha = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)[:, :, None].astype(np.float32) / 255
    height, width = alpha.shape[:2]
    for k, path in enumerate(backgrounds):
        background = cv2.imread(str(path))
        h, w = background.shape[:2]
        ratio = max(width / w, height / h)
        if ratio > 1:
            background = cv2.resize(background, (math.ceil(w * ratio), math.ceil(h * ratio)),
                                    interpolation=cv2.INTER_CUBIC)
        merged = alpha * foreground + (1 - alpha) * background[:height, :width].astype(np.float32)
        cv2.imwrite(str(folder / f"{k}.png"), merged.astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])
