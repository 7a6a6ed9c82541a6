"""Measures the running gate and writes the figures into docs/measurements.md: latency, start, memory, processor share, allocations.

Runs the release binary as a daemon on recorded frames with a simulated relay, one run after the other, and reads the decision log
and /proc: on the demonstration clip as a webcam sends it (Motion-JPEG), and, for the processor's share, on the same pictures as
a camera sends them that does not compress (YU12): the empty room, and the visitors one after the other without a pause. The
allocations are counted by `tests/a_frame_allocates_little.rs`. Say on which machine when you quote it.

`python3 scripts/measure_gate.py [--json FILE]` (needs numpy and Pillow: models/train/requirements.txt).
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import demo_clip
from camera_frames import clip
from readme import replace_block

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "target/release/agegate"
RUNS = 4
SECONDS = 30
RATE = 10


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def one_run(folder: pathlib.Path, recording: pathlib.Path) -> dict:
    config = folder / "agegate.toml"
    config.write_text(
        f'[camera]\nsource = "replay"\npath = "{recording}"\n[relay]\ndriver = "simulated"\n'
        f'[visit]\nmax_tries = 100\n[log]\nfolder = "{folder}/log"\n'
    )
    started = time.monotonic()
    process = subprocess.Popen([BINARY, "run", "--config", config], stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "RUST_LOG": "trace,tract=warn"})
    first = None
    memory, ticks = [], []
    for line in process.stderr:
        if "agegate::gate" in line and " frame " in line:
            first = first or time.monotonic() - started
            try:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                break
            memory.append({key: int(status.split(f"{key}:")[1].split()[0]) / 1024 for key in ("VmRSS", "RssAnon", "RssFile")})
            ticks.append((time.monotonic(), (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")))
    process.wait()
    records = [json.loads(l) for f in sorted((folder / "log").glob("*.jsonl")) for l in f.read_text().splitlines()]
    seconds, used = ticks[-1][0] - ticks[5][0], ticks[-1][1] - ticks[5][1]
    return {
        "first": first,
        "memory": memory[-1],
        "share": used / seconds,
        "latency": [r["latency_ms"] for r in records if r["event"] == "decision"],
        "bytes": [len(json.dumps(r, separators=(",", ":"))) + 1 for r in records if r["event"] == "decision"],
    }


def run(recording: pathlib.Path) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        return one_run(pathlib.Path(folder), recording)


def uncompressed(path: pathlib.Path, frames: list[bytes]) -> pathlib.Path:
    """The frames again and again, SECONDS long."""
    path.write_bytes(clip([frames[k % len(frames)] for k in range(SECONDS * RATE)], RATE))
    return path


def allocations() -> tuple[int, int]:
    command = ["cargo", "test", "--release", "--locked", "--test", "a_frame_allocates_little", "--", "--nocapture"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(int(n) for n in re.search(r"allocations: empty (\d+), face (\d+)", output).groups())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    runs = [run(ROOT / "demo/visitors.mjpeg") for _ in range(RUNS)]
    frames = demo_clip.frames()
    nobody = demo_clip.visit_of("nobody")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        empty = run(uncompressed(folder / "empty.y4m", frames[nobody.first : nobody.last + 1]))
        face = run(uncompressed(folder / "face.y4m", frames[nobody.last + 1 :]))
    empty_allocations, face_allocations = allocations()
    latency = [v for r in runs for v in r["latency"]]
    median = lambda key: statistics.median(r[key] for r in runs)
    memory = {key: statistics.median(r["memory"][key] for r in [empty, face]) for key in ("VmRSS", "RssAnon", "RssFile")}
    size = BINARY.stat().st_size
    table = "\n".join([
        "| figure | value |",
        "|---|---|",
        f"| capture of the deciding frame to logged decision, 640x480, {len(latency)} decisions | p50 {percentile(latency, 0.5):.0f} ms, p99 {percentile(latency, 0.99):.0f} ms |",
        f"| start of the program to first judged frame | {median('first'):.2f} s |",
        f"| resident memory in steady state (of it the program's own file, which is shared) | {memory['VmRSS']:.0f} MB ({memory['RssFile']:.0f} MB) |",
        f"| processor share of one core at {RATE} frames a second: empty room / one visitor after the other | {empty['share'] * 100:.1f} % / {face['share'] * 100:.1f} % |",
        f"| the same with visitors in Motion-JPEG, which must be decoded | {median('share') * 100:.1f} % |",
        f"| allocations for a frame after the first ones: empty room / a face | {empty_allocations} / {face_allocations} |",
        f"| bytes written for each decision | {statistics.mean(v for r in runs for v in r['bytes']):.0f} |",
        f"| binary, stripped, models included | {size / 1e6:.1f} MB |",
    ])
    print(table)
    replace_block("gate", "scripts/measure_gate.py", table)
    if args.json:
        args.json.write_text(json.dumps({
            "share_empty": empty["share"], "share_face": face["share"], "share_mjpeg": median("share"), "resident_mb": memory["VmRSS"],
            "resident_anonymous_mb": memory["RssAnon"], "allocations_empty": empty_allocations, "allocations_face": face_allocations,
            "binary_mb": size / 1e6, "latency_p50_ms": percentile(latency, 0.5),
        }, indent=1) + "\n")


if __name__ == "__main__":
    main()
