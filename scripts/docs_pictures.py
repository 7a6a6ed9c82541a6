"""Makes the pictures of docs/ with the present program and models, and tells whether they are current.

`make docs` makes them: docs/wiring.svg, docs/demo.png, docs/report.png. `python3 scripts/docs_pictures.py --check` compares the
inputs that they were made of (docs/pictures.json has their hashes) with the present ones, draws the wiring again, and looks for
labels of it that run out of their box; nothing is rendered, so it takes no browser and no second.
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import draw_wiring

ROOT = pathlib.Path(__file__).resolve().parent.parent
AGEGATE = ROOT / "target/release/agegate"
STATE = ROOT / "docs/pictures.json"
# What each picture shows: if one of these changes, it must be made again.
INPUTS = {
    "demo.png": ["models/*.onnx", "models/policy.toml", "demo/visitors.mjpeg", "src/display/screens.rs", "src/display/texts.rs", "src/commands/show.rs"],
    "report.png": ["models/*.onnx", "models/policy.toml", "src/evaluate/report.rs", "src/evaluate/plots.rs"],
    "wiring.svg": ["config/agegate.toml", "scripts/draw_wiring.py"],
}


def inputs_hash(name: str) -> str:
    digest = hashlib.sha256()
    for pattern in INPUTS[name]:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def picture_hash(name: str) -> str:
    path = ROOT / "docs" / name
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else "missing"


def stale() -> list[str]:
    """What is not current, in words."""
    made = json.loads(STATE.read_text()) if STATE.exists() else {}
    faults = []
    for name in INPUTS:
        entry = made.get(name, {})
        if entry.get("inputs") != inputs_hash(name):
            faults.append(f"docs/{name} shows a former state of {', '.join(INPUTS[name])}")
        elif entry.get("picture") != picture_hash(name):
            faults.append(f"docs/{name} is not the picture that was made")
    svg = draw_wiring.svg()
    if (ROOT / "docs/wiring.svg").read_text() != svg:
        faults.append("docs/wiring.svg is not what scripts/draw_wiring.py draws")
    return faults + draw_wiring.cut_labels(svg)


def make_demo(folder: pathlib.Path) -> None:
    subprocess.run([AGEGATE, "demo", "--out", folder / "demo", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    shutil.copy(folder / "demo/contact-sheet.png", ROOT / "docs/demo.png")


def make_report(folder: pathlib.Path, dataset: pathlib.Path) -> None:
    subprocess.run([AGEGATE, "evaluate", "--aligned-dataset", dataset, "--report", folder / "report"], check=True, stdout=subprocess.DEVNULL)
    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    if browser is None:
        raise SystemExit("a browser draws docs/report.png: apt-get install chromium")
    page = (folder / "report/report.html").as_uri()
    subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=900,2157", f"--screenshot={ROOT / 'docs/report.png'}", page],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell whether the pictures are current; exit code 1 if not")
    parser.add_argument("--dataset", type=pathlib.Path, default=ROOT / "models/train/work/validation", help="aligned chips that the report is about")
    parser.add_argument("--only", choices=sorted(INPUTS), action="append", help="make only this picture")
    args = parser.parse_args()
    if args.check:
        faults = stale()
        for fault in faults:
            print(f"{fault}: run `make docs`")
        sys.exit(1 if faults else 0)
    wanted = args.only or list(INPUTS)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if "wiring.svg" in wanted:
            (ROOT / "docs/wiring.svg").write_text(draw_wiring.svg())
        if "demo.png" in wanted:
            make_demo(folder)
        if "report.png" in wanted:
            if not args.dataset.exists():
                raise SystemExit(f"{args.dataset} is missing: `make models` makes it, or name chips with --dataset")
            make_report(folder, args.dataset)
    made = json.loads(STATE.read_text()) if STATE.exists() else {}
    made.update({name: {"inputs": inputs_hash(name), "picture": picture_hash(name)} for name in wanted})
    STATE.write_text(json.dumps(made, indent=2, sort_keys=True) + "\n")
    if cut := draw_wiring.cut_labels(draw_wiring.svg()):
        raise SystemExit("\n".join(cut))


if __name__ == "__main__":
    main()
