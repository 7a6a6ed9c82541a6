"""Measures the shipped models on what training never saw and writes `models/MODEL_CARD.md` and the figures of the README.

Every figure comes out of the release binary (`agegate evaluate`, `agegate detect`), that is, through tract and the
deployed code path. Nothing here is typed by hand.
"""

import csv
import json
import math
import os
import subprocess
import sys

import cv2
import numpy as np
import onnx

import history
import liveness_card
import margin
import repeats
import scenes
import sizes as trials
from common import ROOT, WORK, load_chips, near_duplicate_groups, split
from detector_net import iou
from onnx_files import median, run, session

sys.path.insert(0, str(ROOT / "scripts"))
from readme import replace_block  # noqa: E402

AGEGATE = ROOT / "target" / "release" / "agegate"


def agegate(*arguments: str) -> str:
    result = subprocess.run([str(AGEGATE), *arguments], capture_output=True, text=True)
    if result.returncode not in (0, 1):
        sys.exit(f"agegate {' '.join(arguments)}: {result.stderr}")
    return result.stdout


def evaluate(folder, *more: str) -> dict:
    target = WORK / "figures.json"
    agegate("evaluate", "--dataset", str(folder), "--json", str(target), *more)
    return json.loads(target.read_text())


def detect(paths) -> dict:
    target = WORK / "faces.json"
    agegate("detect", *map(str, paths), "--json", str(target))
    return json.loads(target.read_text())


def wilson(hits: int, count: int) -> str:
    z, p = 1.96, hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return f"{100 * p:.1f} % ({100 * max(0, middle - half):.1f} to {100 * min(1, middle + half):.1f}; {hits} of {count})"


def interval(value, unit: str = "", scale: float = 1.0, digits: int = 2) -> str:
    if value is None:
        return "-"
    return f"{value['value'] * scale:.{digits}f}{unit} ({value['low'] * scale:.{digits}f} to {value['high'] * scale:.{digits}f})"


def percent(value) -> str:
    return interval(value, " %", 100, 1)


def runtimes_agree() -> tuple[float, int]:
    """Largest difference of the estimated age between tract and ONNX Runtime, in years, over validation chips that are
    resized beforehand, so that both see the same pixels."""
    model, metadata = session("age-estimator.onnx")
    side = int(metadata["input_width"])
    names, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    folder = WORK / "validation-small"
    folder.mkdir(exist_ok=True)
    expected = {}
    for i in held[:: max(1, len(held) // 500)]:
        small = cv2.resize(np.asarray(pixels[i]), (side, side), interpolation=cv2.INTER_AREA)
        name = names[i].replace(".jpg.chip.jpg", ".png")
        cv2.imwrite(str(folder / name), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        expected[name] = median(run(model, metadata, small)[0][0])
    predictions = WORK / "predictions.csv"
    agegate("evaluate", "--dataset", str(folder), "--aligned", "--predictions", str(predictions))
    rows = list(csv.DictReader(predictions.open()))
    return max(abs(float(r["estimate"]) - expected[os.path.basename(r["path"])]) for r in rows), len(rows)


def covers_table() -> str:
    f = json.loads((WORK / "covers.json").read_text())
    rows = [("covered mouths found", "covered mouths found"), ("covered eyes found", "covered eyes found"), ("plain faces called covered", "plain called covered"), ("disguised faces called covered", "disguised called covered")]
    table = [f"| {f['faces']} validation chips of each kind | share |", "|---|---|", *(f"| {words} | {100 * f[key]:.1f} % |" for words, key in rows)]
    return "\n".join(table)


def main() -> None:
    for script in ("validation.py", "scene_set.py"):
        subprocess.run([sys.executable, script], check=True)
    chips = evaluate(WORK / "validation", "--aligned")
    plain = evaluate(WORK / "validation", "--aligned", "--age-model", str(WORK / "age-estimator-float.onnx"))
    through = evaluate(WORK / "validation-scenes")
    # The same people, as chips: for the difference that detector and aligner make.
    same = WORK / "validation-same"
    same.mkdir(exist_ok=True)
    for scene in (WORK / "validation-scenes").iterdir():
        link = same / (scene.name + ".chip.jpg")
        if not link.is_symlink():
            link.symlink_to(WORK / "validation" / (scene.name + ".chip.jpg"))
    aligned = evaluate(same, "--aligned")

    material = scenes.Material()
    teacher = scenes.teacher_session()
    found = detect(material.held_faces)
    hits = 0
    for path in material.held_faces:
        box = scenes.teacher_faces(teacher, scenes.read(path))[0][1]
        hits += any(iou(face["box"], box) >= 0.5 for face in found[str(path)])
    false_faces = {name: sum(1 for faces in detect(paths).values() if faces) for name, paths in (("empty", material.held_empty), ("objects", material.held_objects))}
    difference, compared = runtimes_agree()
    metadata = {p.key: p.value for p in onnx.load(ROOT / "models" / "age-estimator.onnx").metadata_props}
    detector = {p.key: p.value for p in onnx.load(ROOT / "models" / "face-detector.onnx").metadata_props}
    sizes = [(ROOT / "models" / n).stat().st_size for n in ("face-detector.onnx", "age-estimator.onnx")]

    noise = ""
    noise_path = ROOT / "models" / "label-noise.json"
    if noise_path.is_file() and (WORK / "validation-clean").is_dir():
        n, clean = json.loads(noise_path.read_text()), evaluate(WORK / "validation-clean", "--aligned")
        ages = lambda counts: ", ".join(f"{k}: {v}" for k, v in counts.items())
        noise = f"""
### Label noise

Opinions of a teacher that did not see the labels ({n['teacher_mae_years']:.2f} years mean error) contradict {n['contradicted']} of {n['validation_chips']} validation
chips by more than {n['limit_years']} years: {100 * n['contradicted_share'][0]:.2f} % ({100 * n['contradicted_share'][1]:.2f} to {100 * n['contradicted_share'][2]:.2f}), by true age {ages(n['by_true_age'])}.
Without them: MAE {interval(clean['mae_interval'])} years, age-group accuracy {clean['age_group_accuracy'] * 100:.1f} %, within 5 years {clean['within_5_years'] * 100:.1f} %.
All other figures here are with all labels. In training, {n['training_contradicted']} of {n['training_chips']} labels are contradicted so (by true age {ages(n['training_by_true_age'])}) and weigh a tenth.
"""
    statistics, pooled = (json.loads((ROOT / "models" / name).read_text()) for name in ("mean-or-median.json", "fusion.json"))
    by_statistic = lambda name: f"| {name} | {statistics[name]['mae']:.3f} | " + " | ".join(f"{100 * share:.1f} %" for share in statistics[name]["adults_under_the_limit"]) + " |"
    seen_again = "\n".join(f"| {name} | {v['mae']:.3f} | {v['correlation']:.2f} | {v['mae_of_both']:.3f} |" for name, v in pooled["views"].items())
    groups_right = ", ".join(f"{100 * share:.1f} % by the {name}" for name, share in statistics["groups_right"].items()).replace("the likeliest", "the likeliest group")
    past = history.measure(ROOT / "models" / "face-detector.onnx", ROOT / "models" / "age-estimator.onnx")
    part = lambda p: f"| {p['name']} | {p['images']} | {interval(p['mae_years'])} | {interval(p['bias_years'])} | {p['within_5_years'] * 100:.1f} % |"
    limit = lambda key: f"| {key.replace('_', ' ')} | {percent(chips['threshold_18'][key])} | {percent(chips['challenge_25'][key])} |"
    figures = f"""| figure, on images that training never saw | value (95 % interval) |
|---|---|
| age MAE, {chips['images']} aligned chips, quantized, as shipped, one pass | {interval(chips['mae_interval'])} years |
| within 5 years | {chips['within_5_years'] * 100:.1f} % |
| gender accuracy | {chips['gender_accuracy'] * 100:.1f} % |
| age-group accuracy (0-12, 13-17, 18-24, 25-34, 35-49, 50-64, 65+) | {chips['age_group_accuracy'] * 100:.1f} % |
| 13-17 judged 18 or over, by the estimate | {percent(chips['threshold_18']['false_accept_13_17'])} |
| 13-17 judged 25 or over, by the estimate | {percent(chips['challenge_25']['false_accept_13_17'])} |
| 0-12 judged 18 or over, by the estimate | {percent(chips['threshold_18']['false_accept_children'])} |
| 25 and over judged under 25, by the estimate | {percent(chips['challenge_25']['false_reject_over_limit'])} |
| MAE through detector and aligner minus MAE on the same {aligned['images']} chips | {through['mae_years'] - aligned['mae_years']:+.2f} years ({through['faces_found']} of {through['images']} found) |
| detection: photos of people not in the training photos, found with IoU >= 0.5 | {wilson(hits, len(material.held_faces))} |
| detection: photos without a face, with a false one | {wilson(false_faces['empty'], len(material.held_empty))} |
| detection: object photos that fool the teacher, with a false face | {wilson(false_faces['objects'], len(material.held_objects))} |
| quantized minus float MAE | {chips['mae_years'] - plain['mae_years']:+.3f} years |
| in integers against ONNX Runtime in float, largest difference over {compared} chips | {difference:.6f} years |
| both files | {sum(sizes):,} bytes |"""
    card = f"""# Model card

Written by `models/train/model_card.py`, which measured every figure through the release binary.

| | face detector | age estimator |
|---|---|---|
| file | `face-detector.onnx`, {sizes[0]:,} bytes | `age-estimator.onnx`, {sizes[1]:,} bytes |
| version | {detector['version']} | {metadata['version']} |
| input | {detector['input_width']}x{detector['input_height']} RGB, (value - {detector['mean']}) / {detector['std']} | {metadata['input_width']}x{metadata['input_height']} RGB chip, (value - {metadata['mean']}) / {metadata['std']} |
| output | three maps: score, box, five landmarks per cell | distribution over ages 0 to 100; P(female) |
| weights | int8, one scale per output channel, folded to float at load | the same |
| training data, hash | {detector['training_data']} | {metadata['training_data']} |

## What they are for, and what not

For the age gate of this repository: to let people in who are surely old enough, and to ask everybody else for ID. Not for
identifying anybody, not for proving an age, not for selecting or ranking people, not for deciding anything about a person
without the other way (showing an ID) being open. The gender output exists because evaluations report it; the gate neither
uses nor logs it.

## Data and terms

The age estimator was trained on UTKFace chips, the detector on UTKFace chips set into Caltech-101 photos and on
Caltech-101 photos with faces whose boxes a public detector (MIT) gave. **UTKFace permits non-commercial research only, and
these weights come from it: a shop may try them, but must not run its business on them.** The code is free
(MIT or Apache-2.0), and the way out is to train on data that you may use:

1. Lay out your pictures as aligned 200x200 chips named `[age]_[gender]_[ethnicity]_[date].jpg` in `utkface-dev.tar`
   (folder `utkface/`), and photos with and without faces as in `../shared/data/README.md`.
2. `AGEGATE_DATA=/your/folder make models` trains, exports, quantizes, checks and calibrates.
3. Point `[models]` in the configuration at the two files, or rebuild to embed them.

## Figures

{figures}

For scale: the reference system of the field's notebooks reaches 6.5 years; face-api.js's 430 kB age net 4.95 years on
chips that it may have seen in training.

### Error by group

| group | images | MAE, years | bias, years | within 5 years |
|---|---|---|---|---|
{chr(10).join(part(p) for p in chips['by_group'])}
{chr(10).join(part(p) for p in chips['by_gender'])}
{chr(10).join(part(p) for p in chips['by_ethnicity'])}

Largest gap between ethnicities: {chips['largest_gap']['worst']} against {chips['largest_gap']['best']}, {chips['largest_gap']['years']:.2f} years.

### False accepts and rejects, by the estimated age

| | threshold 18 | challenge age 25 |
|---|---|---|
{chr(10).join(limit(k) for k in ('false_accept_children', 'false_accept_13_15', 'false_accept_16_17', 'false_accept_13_17', 'false_reject_adults', 'false_reject_over_limit'))}

The gate does not judge by the mean alone: its policy asks for a confidence too, see `models/policy.toml`.

### Teenagers, and the adults who look like them

Portraits with known birth dates (nearly all East and South-East Asian, studio light, make-up), of people held back from training:

{history.teenagers_table(past)}

### Disguise

The same portraits and the validation chips of 13 to 17 years, drawn over by `models/train/disguise.py`. "Let in" is by one view
under the policy that shipped with that version (a visit pools several); the shift is that of the estimated age, in years:

{history.disguise_table(past)}

### Covered mouths and eyes

Masks, scarves, hands, sunglasses and low caps, drawn by `models/train/covers.py` on the validation chips (no real ones were to be had). A covered
face is never a good view; clear glasses, beards and make-up count as disguises, not as covers.

{covers_table()}

### What the detector finds

{history.detector_table(past)}
{noise}
## How they were made

Dense 3x3 convolutions with residual pairs, because that is what tract runs well. Age, one round from scratch on a GPU (`train_age_gpu.py`, six
minutes on an H200 and 16 cores, 32,848 steps of 256 faces): every picture it sees is fresh. Nearly half are faces of nobody, two training
faces blended into one (`blends.py`), because a net learns 18,017 faces by heart; others are in bad light, disguised, or as they are. A public face net with
heads made here is asked about each and its mirror image (Beyer et al. 2022), and the student follows a blend of label and opinion (Gao et al. 2017, 2018; Hinton et al.
2015), predicts the teacher's features with a layer that is thrown away (Romero et al. 2015), and is judged at 18, 21 and 25 as well. Opinions about a face come
from heads that did not see its label; labels that they contradict by more than 20 years weigh a tenth, labels of grown people half. Where a view is disguised, the
teacher saw it as it was before. Without a GPU `train_age.py` does the same in two rounds on views that are rendered beforehand (`render_views.py`), with a sixth of the
pictures; versions 2 to 5 were made on such views, in two and three rounds. One linear layer on the last map learned what is covered (`train_covers.py`).
Portraits are 12 % of the faces drawn, Asian adults come more often, averaged weights ship.
Detector: anchor-free, three levels (after FCOS, Tian et al. 2019), focal and IoU losses, negatives drawn by how badly the
net judges them; version 2 went on from version 1 (`train_detector.py --start`) with coloured light, too much and too little of it, more turn, smaller faces, and heads upside down as
none. Near-duplicates (thumbnails that correlate above 0.97) share one side of the split. Validation images are never trained on and did not choose the
checkpoint (the last one ships).

### Run again

How near two runs of a recipe come to each other (`repeats.py`): from scratch, with other seeds, so that weights, batches and dropout are others; in
torch, one pass a chip. What is rendered beforehand is the same for both. A lender's time on the GPU was up before its recipe could be run again with as many
steps: its first run shared the time with the two smaller nets of the next table.

{repeats.table()}

### Size and side

`sizes.py`. The first three nets learnt from the very same batches, in one run of `train_age_gpu.py` of half the length; the others went on from the
shipped net for five epochs on rendered views, each with chips of another side, 80 pixels among them: a net that has to get used to another side does not
catch up with one that was trained for it in so short a time, so that these rows compare the sides with one another only roughly. A net of half the
multiplications errs by a tenth of a year more; smaller chips lose more than they save; larger ones gain nothing for half as many instructions again.

{trials.table()}

### How far over the limit

A gate for people of 18 asks how sure the net is of 21 (`sure_age`), which costs fewer adults an ID check where as few minors pass. `margin.py`, single
pictures, adults of the validation chips asked for ID:

{margin.table()}

### Mean or median

The gate takes the median of the distribution for the estimated age, and the likeliest group for the group (`mean_or_median.py`, {statistics["chips"]} chips). Groups right:
{groups_right}. Adults of 25 and over under the limit that {", ".join(f"{100 * s:.0f}" for s in statistics["passing_13_17"])} % of those of 13 to 17 pass:

| estimate | MAE, years |{"".join(f" {100 * s:.0f} % pass |" for s in statistics["passing_13_17"])}
|---|---|{"---|" * len(statistics["passing_13_17"])}
{by_statistic("mean")}
{by_statistic("median")}

### What further frames of a visit add

`fusion.py`, {pooled["chips"]} chips, MAE {pooled["mae"]:.3f} years. Errors of two views of a face go together:

| the same face again | MAE | correlation of the errors | MAE of both pooled |
|---|---|---|---|
{seen_again}

{"; ".join(f"{name}: {value:.3f}" for name, value in pooled["together"].items())}. So the gate mirrors every other frame, which
costs nothing, and waits for no particular turn or distance.

## Changelog of the models

| version | what is new |
|---|---|
| age estimator 6 | one round from scratch on a GPU, every view and blend fresh |
| age estimator 5 | two rounds with blended faces of nobody |
| face detector 4 | the weights of version 3; the score of a face that is few pixels high is lifted |
| age estimator 4 | a third round on plain faces |
| liveness 2 | a crop of the head beside the two; eight times the scenes, most of the living photos as they are, half of the screens filling the view; scales of its activations, for integers |
| age estimator 3 | a second round on plain faces; tells covered mouths and eyes; scales of its activations, for integers |
| face detector 3 | the weights of version 2 with the scales of its activations |
| liveness 1 | first version, not converged |
| age estimator 2 | 2.9 million parameters (0.8 before), one round with a teacher's opinions and features, portraits of teenagers, disguises in training |
| face detector 2 | coloured light, over-exposure, turned and small faces, upside-down heads as negatives; made from version 1 |
| age estimator 1, face detector 1 | first versions |

## Known failures

- Minors of 16 and 17 are often taken for adults: that is why the gate asks for a confidence and a challenge age.
- Old people are taken for younger than they are: harmless at the gate, visible in the table.
- Labels: UTKFace ages are partly estimated by an algorithm and partly wrong; errors above 20 years are often the label's.
- Chips that are tight crops of press photos are not a door camera's view: light from behind, masks, caps and make-up are
  under-represented. Calibrate on your own place (`agegate calibrate`) before you rely on a figure.
- A photo or a screen held up may be taken for a living face, most of all a screen that fills the view: see below. Staff must be in sight.

{liveness_card.section()}
"""
    (ROOT / "models" / "MODEL_CARD.md").write_text(card)
    replace_block("figures", "models/train/model_card.py", figures)
    print(figures)


if __name__ == "__main__":
    main()
