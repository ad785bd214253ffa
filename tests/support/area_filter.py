"""Pictures made smaller by averaging over areas, computed for themselves."""
import numpy as np


def coverage(length, resized):
    """[resized, length]: how much each old pixel has of each new one, which averages over an area."""
    edges = np.arange(resized + 1) * length / resized
    pixels = np.arange(length)
    part = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.clip(part, 0, None) * resized / length


def shrunk(picture, size):
    """[height, width, channels] levels of a Pillow picture; size: (width, height)."""
    pixels = np.asarray(picture).astype(np.float64)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    high = np.einsum("yh,hwc->ywc", coverage(pixels.shape[0], size[1]), pixels)
    averages = np.einsum("xw,ywc->yxc", coverage(pixels.shape[1], size[0]), high).round(6)
    is_halved = picture.size == (2 * size[0], 2 * size[1])  # then OpenCV rounds a half upwards, else to the even level
    return np.floor(averages + 0.5) if is_halved else np.round(averages)
