"""The faces and labels of the age net's training in files small enough to be carried to a machine with a GPU.

`python pack.py FOLDER` writes `FOLDER/0/pictures.npz` and `FOLDER/1/pictures.npz`, half of all faces each as 128-pixel WebP chips, and
with the second half labels, opinions and the teacher. `train_age_gpu.py --data FOLDER` reads them.
"""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

QUALITY = 90


class Packed:
    """What `views.Faces` holds of the faces to train on, and those held back."""

    def __init__(self, folder: Path):
        pictures = []
        for part in sorted(folder.glob("*/pictures.npz")):
            stored = np.load(part)
            ends = np.cumsum(stored["lengths"])
            pictures += np.split(stored["bytes"], ends[:-1])
        decode = lambda x: cv2.cvtColor(cv2.imdecode(x, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        with ThreadPoolExecutor() as pool:
            pixels = np.stack(list(pool.map(decode, pictures)))
        labels = np.load(next(folder.glob("*/labels.npz")))
        self.chips = int(labels["chips"])
        for name in ("age", "female", "fold", "asian", "plain", "plain_female", "held_labels", "held_age"):
            setattr(self, name, labels[name].astype(np.float32) if labels[name].dtype == np.float16 else labels[name])
        self.pixels, self.held, self.held_portraits = np.split(pixels, np.cumsum([len(self.age), len(self.held_labels)]))
        assert len(self.held_portraits) == len(self.held_age), f"{folder}: not all pictures are there"

    def __len__(self) -> int:
        return len(self.pixels)


def main() -> None:
    import portraits
    import views
    from common import data_dir, load_chips, near_duplicate_groups, split

    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
    faces = views.Faces()
    _, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    people = portraits.load()
    aside = np.array([portraits.held_back(p) for p in people["person"]])
    encode = lambda x: cv2.imencode(".webp", cv2.cvtColor(x, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1]
    pictures = [encode(np.ascontiguousarray(x)) for part in (faces.pixels, pixels[held], people["pixels"][aside]) for x in part]
    half = len(pictures) // 2
    for number, part in enumerate((pictures[:half], pictures[half:])):
        (folder / str(number)).mkdir(parents=True, exist_ok=True)
        np.savez(folder / str(number) / "pictures.npz", bytes=np.concatenate(part), lengths=np.array([len(x) for x in part]))
    np.savez(folder / "1" / "labels.npz", chips=faces.chips, age=faces.age, female=faces.female, fold=faces.fold, asian=faces.asian,
             plain=faces.plain.astype(np.float16), plain_female=faces.plain_female, held_labels=labels[held], held_age=people["age"][aside])
    shutil.copy(data_dir() / "teacher-face.onnx", folder / "1")


if __name__ == "__main__":
    main()
