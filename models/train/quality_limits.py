"""Prints what sharpness, brightness and contrast validation chips have, whole and reduced to few pixels and back: the basis
of the default limits in `src/quality.rs`, whose arithmetic this repeats.
"""

import cv2
import numpy as np
from PIL import Image

import age_net
from common import load_chips, near_duplicate_groups, split

SIDE = age_net.SIDE
# `SHARPNESS_SIDE` of src/quality.rs.
MEASURED = 64


def measures(chip: np.ndarray) -> tuple[float, float, float]:
    chip = np.asarray(Image.fromarray(chip).resize((MEASURED, MEASURED), Image.Resampling.BILINEAR))
    grey = chip.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    return float((laplacian**2).mean() / max(1.0, grey.std()) ** 2), float(grey.mean()), float(grey.std())


def main() -> None:
    _, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    print("pixels  sharpness at 1, 50, 99 %     below 0.02  brightness at 1, 99 %  contrast at 1, 50 %")
    for reduced in (SIDE, 32, 24, 20, 16, 12, 8):
        rows = []
        for i in held[::4]:
            chip = cv2.resize(np.asarray(pixels[i]), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            if reduced < SIDE:
                chip = cv2.resize(cv2.resize(chip, (reduced, reduced), interpolation=cv2.INTER_AREA), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
            rows.append(measures(chip))
        sharp, bright, contrast = np.array(rows).T
        low, middle, high = np.percentile(sharp, [1, 50, 99])
        print(f"{reduced:>6}  {low:.3f} {middle:.3f} {high:.3f} {(sharp < 0.02).mean() * 100:>18.1f} %"
              f" {np.percentile(bright, 1):>12.0f} {np.percentile(bright, 99):.0f} {np.percentile(contrast, 1):>16.0f} {np.percentile(contrast, 50):.0f}")


if __name__ == "__main__":
    main()
