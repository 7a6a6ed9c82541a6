"""Lays out the validation chips, which training never saw, as a folder of links: for `agegate evaluate` and `calibrate`."""

from common import WORK, load_chips, near_duplicate_groups, split, unpacked


def main() -> None:
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


if __name__ == "__main__":
    main()
