"""Golden values for poisoned pixels: peaks of upsampled score maps, and antialiased bilinear resizing, from torch in f64.

Run with the reference environment (`make reference`): python tests/golden/poison/make.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

random = np.random.default_rng(2405)


def peak(cells, shape):
    scores = random.normal(size=cells).astype(np.float32)
    upsampled = interpolate(torch.from_numpy(scores).double()[None, None], shape, mode="bilinear", align_corners=False)
    row, column = np.unravel_index(np.argmax(upsampled[0, 0].numpy()), shape)
    return {"cells": cells, "shape": shape, "values": scores.ravel().tolist(), "peak": [int(row), int(column)]}


def resized(source, target):
    pixels = random.random(size=source).astype(np.float32)
    image = torch.from_numpy(pixels).double()[None, None]
    result = interpolate(image, target, mode="bilinear", align_corners=False, antialias=True)
    return {"from": source, "to": target, "pixels": pixels.ravel().tolist(), "resized": result.ravel().tolist()}


golden = {
    "peaks": [peak(*case) for case in [((7, 7), (35, 49)), ((5, 3), (32, 40)), ((11, 11), (224, 224)), ((9, 9), (5, 7))] * 4],
    "resized": [resized(*case) for case in [((14, 10), (10, 7)), ((7, 7), (5, 5)), ((4, 5), (9, 11)), ((12, 3), (1, 1))]],
}
Path(__file__).with_name("image.json").write_text(json.dumps(golden) + "\n")
