"""The documented training sample, transcribed straight: whole images are decoded, stacked and worked on for each crop.

Plain on purpose: what matting.dataset.feed is timed against.
"""
import math

import cv2
import numpy as np
from PIL import Image

SIZE = 320
MEAN, STD = np.array([0.485, 0.456, 0.406, 0]), np.array([0.229, 0.224, 0.225, 1])


def load(row, data_dir, bg_dir, rng):
    """A TrainRow -> (4, 320, 320) input, (11, 320, 320) background, foreground, composite, alpha and unknown mask."""
    merged, alpha, foreground = (np.array(Image.open(data_dir / path)) for path in (row.merged, row.mask, row.original))
    background = np.array(Image.open(bg_dir / row.background).convert("RGB"))
    height, width = alpha.shape
    h, w = background.shape[:2]
    ratio = max(width / w, height / h)
    if ratio > 1:
        background = cv2.resize(background, (math.ceil(w * ratio), math.ceil(h * ratio)), interpolation=cv2.INTER_CUBIC)
    layers = np.concatenate([background[:height, :width], foreground, merged, alpha[:, :, None]], 2).astype(np.float32)
    if min(height, width) < SIZE:
        scale = 500 / min(height, width)
        layers = cv2.resize(layers, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)

    alpha = layers[:, :, -1]
    soft = (alpha > 0) & (alpha < 255)
    distance = cv2.distanceTransform(1 - soft.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    unknown = distance <= rng.integers(1, 20)
    trimap = np.where(unknown, 128, np.where(alpha == 255, 255, 0)).astype(np.float32)

    side = rng.choice([int(SIZE * scale) for scale in (1, 1.5, 2) if SIZE * scale <= min(alpha.shape)])
    rows, columns = np.nonzero(unknown)
    centre = rng.integers(len(rows))
    top = np.clip(rows[centre] - side // 2, 0, alpha.shape[0] - side)
    left = np.clip(columns[centre] - side // 2, 0, alpha.shape[1] - side)
    crop = slice(top, top + side), slice(left, left + side)
    layers = cv2.resize(layers[crop], (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    trimap = cv2.resize(trimap[crop], (SIZE, SIZE), interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.5:
        layers, trimap = layers[:, ::-1], trimap[:, ::-1]

    network_input = np.concatenate([layers[:, :, 6:9], trimap[:, :, None]], 2)
    network_input = ((network_input / 255 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)
    labels = np.concatenate([layers / 255, trimap[:, :, None] == 128], 2).astype(np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(network_input), np.ascontiguousarray(labels)
