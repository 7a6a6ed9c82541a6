"""Sets validation chips into photos that detector training never saw: what a camera would give, with known ages.

The seam is hard or a fiftieth of the side wide: a wider one takes forehead and chin away, which no camera does (with a
seam of 8 % the error through the detector is 1.5 years larger).

`WORK/validation-scenes/`, 640x480 JPEG, named like the chips: for `agegate evaluate --dataset` without `--aligned`.
"""

import cv2
import numpy as np

from common import SEED, WORK, load_chips, near_duplicate_groups, split, unpacked

COUNT = 1000


def main() -> None:
    names, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    empty = sorted((unpacked() / "scenes" / "no-face").iterdir())[::5]  # those that `scenes.Material` holds back
    rng = np.random.default_rng(SEED + 5)
    folder = WORK / "validation-scenes"
    folder.mkdir(exist_ok=True)
    for i in rng.choice(held, COUNT, replace=False):
        canvas = cv2.resize(cv2.imread(str(empty[rng.integers(len(empty))])), (640, 480), interpolation=cv2.INTER_AREA).astype(np.float32)
        chip = cv2.imread(str(unpacked() / "utkface" / names[i])).astype(np.float32)
        side = int(np.exp(rng.uniform(np.log(100), np.log(330))))
        x, y = int(rng.integers(0, 640 - side)), int(rng.integers(0, 480 - side))
        chip = cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA if side < 200 else cv2.INTER_LINEAR)
        alpha = np.zeros((side, side), np.float32)
        edge = max(1, int(side * rng.choice([0.0, 0.02])))
        alpha[edge:-edge, edge:-edge] = 1
        alpha = cv2.GaussianBlur(alpha, (0, 0), max(0.3, edge / 2))[..., None]
        canvas[y : y + side, x : x + side] = canvas[y : y + side, x : x + side] * (1 - alpha) + chip * alpha
        cv2.imwrite(str(folder / names[i].replace(".jpg.chip.jpg", ".jpg")), np.clip(canvas, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])
    print(f"{folder}: {COUNT} scenes")


if __name__ == "__main__":
    main()
