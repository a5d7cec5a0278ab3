"""
sharpness.py - two numbers that say how soft pictures are, for the reader to compare with those of renders.

edge_widths   over how many pixels a clear edge goes from 10 to 90 percent of its step
in_between    the share of pixels whose colour is none of the picture's main ones (flat pictures and pixel art have few)
"""
import numpy as np

REACH = 6        # pixels on both sides of an edge; the outer three must be flat
STEP, FLAT = 60, 12


def _profiles(lines):
    return np.lib.stride_tricks.sliding_window_view(lines, 2 * REACH, axis=1)


def _clear(p):
    """Where flat ground lies on both sides of a step that passes its half in the middle. p [..., 2 REACH]"""
    low, high = p[..., :3].mean(-1), p[..., -3:].mean(-1)
    middle = (low + high) / 2
    flat = (np.ptp(p[..., :3], -1) < FLAT) & (np.ptp(p[..., -3:], -1) < FLAT)
    return flat & (np.abs(high - low) > STEP) & ((p[..., REACH - 1] < middle) != (p[..., REACH] < middle))


def _scaled(p):
    """The step from 0 to 1."""
    low, high = p[:, :3].mean(1, keepdims=True), p[:, -3:].mean(1, keepdims=True)
    return (p - low) / np.where(high == low, 1, high - low)


def _lines(picture):
    """Rows and columns of each channel."""
    for channel in np.moveaxis(picture.astype(np.float32), 2, 0):
        yield from (channel, channel.T)


def widths(profiles):
    """[n]: from the last place before the middle below 10 percent to the first place behind it above 90, between pixels linear."""
    def last_below(p, level):
        below = p < level
        below[:, 0] = True
        i = (REACH - 1) - below[:, REACH - 1::-1].argmax(1)
        rows = np.arange(len(p))
        a, b = p[rows, i], p[rows, i + 1]
        return i + np.clip((level - a) / np.where(b == a, 1, b - a), 0, 1)

    forth, back = last_below(profiles, .1), last_below(1 - profiles[:, ::-1], .1)
    return 2 * REACH - 1 - back - forth


def edge_widths(pictures):
    """[n]: of all clear edges of all pictures [h, w, 3]."""
    return np.concatenate([widths(_scaled(p[_clear(p)])) for picture in pictures for p in map(_profiles, _lines(picture))])


def reconstruction_widths(renders, others):
    """([n], [n]): the renders' clear edges, and the same places in pictures that should show the same."""
    found = [], []
    for pair in zip(renders, others):
        for lines in zip(*map(_lines, pair)):
            own, other = map(_profiles, lines)
            clear = _clear(own)
            for where, p in zip(found, (own, other)):
                where.append(widths(_scaled(p[clear])))
    return tuple(map(np.concatenate, found))


def in_between(picture, near=20, least=.005):
    """Main colours are taken one by one, each with all that is near it, while one has `least` of the pixels; the share that is left."""
    left = picture.reshape(-1, 3).astype(np.int16)
    total = len(left)
    while len(left):
        bins, counts = np.unique(left >> 3, axis=0, return_counts=True)
        colour = bins[counts.argmax()] * 8 + 4
        close = (np.abs(left - colour) <= near).all(1)
        if close.sum() < least * total:
            break
        left = left[~close]
    return len(left) / total
