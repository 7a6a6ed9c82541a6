"""Lays out what training never saw, for `agegate evaluate` and `calibrate`: the validation chips as a folder of links, and the
portraits of the people held back as a folder with a label file.
"""

import csv

import portraits
from common import WORK, load_chips, near_duplicate_groups, split, unpacked


def chips() -> None:
    names, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    folder = WORK / "validation"
    folder.mkdir(exist_ok=True)
    for i in held:
        link = folder / names[i]
        if not link.is_symlink():
            link.symlink_to(unpacked() / "utkface" / names[i])
    minors = int(((labels[held, 0] >= 13) & (labels[held, 0] <= 17)).sum())
    print(f"{folder}: {len(held)} chips, {minors} of them of 13 to 17 years")


def people() -> None:
    portraits.load()  # unpacks them
    source, folder = WORK / "data" / "portraits", WORK / "portraits-validation"
    folder.mkdir(exist_ok=True)
    rows = [r for r in csv.DictReader((source / "labels.csv").open()) if portraits.held_back(r["person"])]
    with (folder / "labels.csv").open("w", newline="") as target:
        writer = csv.DictWriter(target, ["path", "age", "gender", "group", "person"], extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            link = folder / row["path"]
            if not link.is_symlink():
                link.symlink_to(source / row["path"])
            writer.writerow(row)
    minors = {r["person"] for r in rows if 13 <= int(r["age"]) <= 17}
    print(f"{folder}: {len(rows)} portraits of {len({r['person'] for r in rows})} people, {len(minors)} of them seen at 13 to 17 years")


if __name__ == "__main__":
    chips()
    people()
