"""What scikit-image and numpy say about pairs of pictures: python3 make.py > measure.json

The pictures are made by the rule below, which test_measure.c has too. Versions in ../requirements.txt.
"""
import json

import numpy as np

# width, height, how strong the noise of the second picture is, in 1/256 of a byte
CASES = [(7, 7, 5000), (40, 33, 2000), (64, 64, 300), (128, 96, 9000), (51, 200, 20000), (256, 256, 700), (31, 8, 60000)]


def pictures(w, h, strength):
    state, a, b = 12345, np.zeros((h, w, 3), np.uint8), np.zeros((h, w, 3), np.uint8)
    for y in range(h):
        for x in range(w):
            for c in range(3):
                state = (state * 1664525 + 1013904223) % 2 ** 32
                v = (x * (c + 1) + 2 * y + x * y // 16) % 256
                a[y, x, c] = v
                b[y, x, c] = min(max(v + ((state >> 16) - 32768) * strength // 2 ** 23, 0), 255)
    return a, b


def spectrum(im):
    h, w, n = *im.shape[:2], max(im.shape[:2])
    luma = im @ np.array([0.299, 0.587, 0.114])
    window = np.outer(*(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(k) + 0.5) / k) for k in (h, w)))
    power = np.abs(np.fft.fft2((luma - luma.mean()) * window)) ** 2 / (window ** 2).sum()
    ring = np.floor(np.hypot(*np.meshgrid(np.fft.fftfreq(w), np.fft.fftfreq(h))) * n + 0.5).astype(int)
    return np.array([power[ring == k].mean() for k in range(1, n // 2 + 1)])



def main():
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    rows = []
    for w, h, strength in CASES:
        a, b = pictures(w, h, strength)
        sa, sb = spectrum(a), spectrum(b)
        db = 10 * np.log10((sb + 1 / 12) / (sa + 1 / 12))
        rows.append({"w": w, "h": h, "strength": strength,
                     "psnr": peak_signal_noise_ratio(a, b, data_range=255),
                     "ssim": structural_similarity(a, b, channel_axis=2, data_range=255),
                     "spectrum": np.sqrt((db ** 2).mean()),
                     "power": [float(f"{v:.6g}") for v in sb[:: max(1, len(sb) // 6)]]})
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
