"""Which labels of UTKFace are likely wrong: those that the teacher's opinions contradict by more than 20 years.

The opinions (`teacher-opinions.npz`) are out of fold: whoever judges a chip did not see its label. Writes
`models/label-noise.json`, and the validation chips that are not contradicted as a folder of links.
"""

import json

import numpy as np

from common import ROOT, WORK, data_dir, load_chips, near_duplicate_groups, split

LIMIT = 20
AGES = ((0, 12), (13, 17), (18, 24), (25, 34), (35, 49), (50, 64), (65, 120))


def wilson(count: int, total: int) -> list[float]:
    """A share with its 95 % interval (Wilson 1927)."""
    share, z = count / total, 1.96
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return [round(float(v), 5) for v in (share, middle - half, middle + half)]


def main() -> None:
    names, labels, pixels = load_chips()
    train, held = split(labels, near_duplicate_groups(pixels))
    stored = np.load(data_dir() / "teacher-opinions.npz")
    opinion = stored["dist"].astype(np.float32) @ np.arange(101)
    error = opinion - labels[:, 0]
    contradicted = np.abs(error) > LIMIT
    by_age = lambda which: {f"{low}-{high}": int((contradicted[which] & (labels[which, 0] >= low) & (labels[which, 0] <= high)).sum()) for low, high in AGES}
    report = {
        "limit_years": LIMIT,
        "teacher_mae_years": round(float(np.abs(error[held]).mean()), 3),
        "validation_chips": len(held),
        "contradicted": int(contradicted[held].sum()),
        "contradicted_share": wilson(int(contradicted[held].sum()), len(held)),
        "by_true_age": by_age(held),
        "training_chips": len(train),
        "training_contradicted": int(contradicted[train].sum()),
        "training_by_true_age": by_age(train),
    }
    clean = WORK / "validation-clean"
    clean.mkdir(exist_ok=True)
    for i in held:
        link = clean / names[i]
        if contradicted[i]:
            link.unlink(missing_ok=True)
        elif not link.is_symlink():
            link.symlink_to(WORK / "validation" / names[i])
    (ROOT / "models" / "label-noise.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
