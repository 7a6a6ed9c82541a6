"""The model card's section about the liveness net, from the figures that `liveness_figures.py` wrote: `section()`."""

import json

import onnx

from common import ROOT


def share(value: dict) -> str:
    if value["value"] is None:
        return "-"
    return f"{100 * value['value']:.1f} % ({100 * value['low']:.1f} to {100 * value['high']:.1f}; n {value['frames']})"


def rows(columns: list[dict[str, dict]]) -> str:
    """A line for each name of the first column."""
    return "\n".join(f"| {name} | " + " | ".join(share(column[name]) if name in column else "-" for column in columns) + " |" for name in columns[0])


def section() -> str:
    path = ROOT / "models" / "liveness.onnx"
    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    f = json.loads((ROOT / "models" / "liveness.json").read_text())
    balanced, strict, fast = (f["policies"][name] for name in ("balanced", "strict", "fast"))
    beside = [balanced, strict, fast, balanced["peer"]]
    left = ""
    if "left_out" in f:
        out = f["left_out"]
        measured = list(out["at"].values())
        left = f"""
**Kinds that training never saw.** A second net of the same make, with fewer scenes, was trained without {", ".join(out["kinds"])}; on those kinds, with pictures
of other people, at limits that refuse so many of the composed living scenes:

| attack left out of training | {" | ".join(f"APCER at {share} of the living refused" for share in out["at"])} |
|---|{"---|" * len(measured)}
{rows([m["apcer"] for m in measured])}
"""
    percent = lambda value: f"{100 * value['value']:.1f} %"
    columns = [("bpcer", "rooms"), ("bpcer", "webcam, scenes and portraits"), ("bpcer", "composed"), ("apcer", "attacks-dev screen"), ("apcer", "print"), ("apcer", "screen"), ("apcer", "drawing")]
    limits = "\n".join(f"| {at['probability']:.3f} | " + " | ".join(percent(at[kind][name]) for kind, name in columns) + " |" for at in f["limits"])
    screens = balanced["apcer"]["attacks-dev screen"]
    return f"""## The liveness net

| | |
|---|---|
| file | `liveness.onnx`, {path.stat().st_size:,} bytes, version {metadata["version"]} |
| input | square crops of {", ".join(metadata["scales"].split())} times the face box, {metadata["input_width"]}x{metadata["input_height"]} RGB, 0 to 255, stacked |
| output | a logit; its sigmoid is the probability of a living face where one in two is an attack |
| weights | int8, one scale per output channel; scales of the activations in the file |
| training data, hash | {metadata["training_data"]} |

**What it is for.** To refuse prints, screens and drawings that are held up instead of a face. It says nothing about who or how old
somebody is. It does not stop three-dimensional masks, make-up, or a person who is there against his will; and it has been measured
on real attacks of one phone only: the balanced policy lets {share(screens)} of its frames in, the fast one {share(fast["apcer"]["attacks-dev screen"])}, the strict one {share(strict["apcer"]["attacks-dev screen"])}.
What that costs: people in hard light are asked for ID, {share(balanced["bpcer"]["rooms"])} of the photos in rooms by the balanced policy.

**How it was made.** Living people are photos of people in rooms and streets, people cut out of portraits and set into photos without
people, and UTKFace chips set into both. Attacks are made from the same pictures by code (`attacks.py`): paper, card, glossy, halftone, worn mask;
phone, tablet, monitor, sampled with the sub-pixels of a display at twice the sensor's pitch; sketch, statue, posterised, cartoon, as figures and on paper.
Both go through the same camera (`door_camera.py`), and the living through the same compositor. A second output follows a public net that has seen real
replays (never shipped), on these same pictures; it has a share in the logit. People, chips and places are split as for the other nets; no frame of `attacks-dev`
was trained on, its frames were looked at while the simulation was made, it was measured between versions, and the weight of the net's second output was
chosen with those measurements in view: for the shipped net it is no untouched test.
The simulation is not the world: version 1 and the first half of the training of version 2, which knew no screens that fill the view, let every
frame of that phone in at any limit that a living person would pass. What was changed is what those frames look like: a picture smaller than the camera sees,
strong colours, no grid and no edge. The held-out frames below have those too, as half of all screens, and they are the hardest kind of all.

**Figures**, by ISO/IEC 30107-3, per frame, with the file in ONNX Runtime in float, at the confidences of the shipped policies ({balanced["confidence"]} balanced, {strict["confidence"]} strict, {fast["confidence"]} fast); every
figure is of people that training never saw. The peer stands at the limit where it refuses as many of webcam, scenes and portraits as the balanced policy.

| living people | BPCER, balanced | strict | fast | peer |
|---|---|---|---|---|
{rows([column["bpcer"] for column in beside])}

| attack | APCER, balanced | strict | fast | peer |
|---|---|---|---|---|
{rows([column["apcer"] for column in beside])}
{left}
**What another limit would bring**, by the net's own probability of one frame (a policy's confidence is compared with it after temperature and offset). People in rooms and the one real phone lie where the other lies: there is no limit at which
few of both are judged wrongly. More scenes and more epochs (a version that was not shipped) moved the simulated attacks, but not this; what is lacking is
photos of more people in hard light, of which training has few.

| P(living) of a frame | {" | ".join(f"{'refused' if kind == 'bpcer' else 'let in'}: {name}" for kind, name in columns)} |
|---|{"---|" * len(columns)}
{limits}

| living people by group, balanced policy; composed: other scenes, of chips with labels | BPCER |
|---|---|
{rows([f["bpcer_by_group"]])}
"""


if __name__ == "__main__":
    print(section())
