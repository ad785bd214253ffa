"""kohya's aspect-ratio buckets, computed for themselves: which bucket a picture comes to, and how it is resized and cropped."""
import math


def bucket_sizes(resolution, least=256, greatest=1024, step=64):
    """Of a square of `resolution` pixels a side, by width and height."""
    area, least, greatest = resolution * resolution, least // step * step, -(-greatest // step) * step
    side = int(math.sqrt(area)) // step * step
    sizes = {(side, side)}
    for width in range(least, greatest + 1, step):
        height = min(greatest, area // width // step * step)
        if height >= least:
            sizes |= {(width, height), (height, width)}
    return sorted(sizes)


def fit(width, height, resolution, least=256, greatest=1024, step=64):
    """bucket, resized, (left, top)"""
    sizes = bucket_sizes(resolution, least, greatest, step)
    ratio = width / height
    bucket = (width, height) if (width, height) in sizes else min(sizes, key=lambda size: abs(size[0] / size[1] - ratio))
    scale = bucket[1] / height if ratio > bucket[0] / bucket[1] else bucket[0] / width
    return with_crop(bucket, (int(width * scale + 0.5), int(height * scale + 0.5)))


def fit_without_upscale(width, height, resolution, step=64):
    resized = (width, height)
    if width * height > resolution * resolution:
        ratio = width / height
        wide = math.sqrt(resolution * resolution * ratio)
        high = resolution * resolution / wide

        def steps(pixels):
            return int(pixels + 0.5) // step * step

        by_width, by_height = (steps(wide), steps(steps(wide) / ratio)), (steps(steps(high) * ratio), steps(high))
        if abs(by_width[0] / by_width[1] - ratio) < abs(by_height[0] / by_height[1] - ratio):
            resized = (by_width[0], int(by_width[0] / ratio + 0.5))
        else:
            resized = (int(by_height[1] * ratio + 0.5), by_height[1])
    return with_crop((resized[0] // step * step, resized[1] // step * step), resized)


def with_crop(bucket, resized):
    return bucket, resized, ((resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2)
