"""Runs the daemon for a long time: memory and file descriptors must stay flat, and no decision be lost or made twice.

Recorded frames (the demonstration's visitors, who do not exist) and a simulated relay; the daemon, its keeper, its log and
its threads are the real ones. Every visit has its own pictures and a pause after it, so the right number of decisions is
known. `python3 scripts/soak.py [--visits 1010]`: about 14 minutes.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import demo_clip
from demo_clip import visit_of
from readme import replace_block

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "target/release/agegate"
RATE = 25
SEEN, AWAY = 12, 8


def recording(folder: pathlib.Path, visits: int) -> None:
    """A folder of links: adult, away, child, away, and so on."""
    frames = demo_clip.frames()
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for name, first in (("adult", visit_of("adult").middle), ("child", visit_of("child").middle), ("nobody", 0)):
        (pictures / f"{name}.jpg").write_bytes(frames[first])
    play = folder / "play"
    play.mkdir()
    number = 0
    for visit in range(visits):
        for picture in ["child" if visit % 2 else "adult"] * SEEN + ["nobody"] * AWAY:
            (play / f"{number:06}.jpg").symlink_to(pictures / f"{picture}.jpg")
            number += 1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--visits", type=int, default=1010)
    parser.add_argument("--readme", action="store_true", help="write the result into the README")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        recording(folder, args.visits)
        config = folder / "agegate.toml"
        config.write_text(
            f'[camera]\nsource = "replay"\npath = "{folder}/play"\nrate = {RATE}.0\n[relay]\ndriver = "simulated"\nopen_seconds = 0.2\n'
            f'max_open_seconds = 0.2\n[visit]\ngood_frames = 3\nmost_frames = 5\nlost_seconds = 0.2\nmax_tries = 100\ncool_down_seconds = 0.0\n'
            f'[log]\nfolder = "{folder}/log"\nmax_file_bytes = 65536\n'
        )
        said = open(folder / "said", "w+")
        daemon = subprocess.Popen([BINARY, "run", "--config", config], stderr=said, env={**os.environ, "RUST_LOG": "trace,tract=warn"})
        memory, files = [], []
        began = time.monotonic()
        while daemon.poll() is None:
            time.sleep(1)
            try:
                status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
                memory.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
                files.append(len(os.listdir(f"/proc/{daemon.pid}/fd")))
            except (FileNotFoundError, ProcessLookupError, IndexError):
                break
        seconds = time.monotonic() - began
        if daemon.wait() != 0:
            print(f"the daemon ended with {daemon.returncode}", file=sys.stderr)
            return 1
        said.seek(0)
        text = said.read()
        judged = text.count("agegate::gate] frame ")
        opened, shut = text.count("simulated relay energised"), text.count("simulated relay released")
        records = [json.loads(l) for f in sorted((folder / "log").glob("*.jsonl")) for l in f.read_text().splitlines()]
        decisions = collections.Counter(r["decision"] for r in records if r["event"] == "decision")
        verified = subprocess.run([BINARY, "log", "verify", "--folder", folder / "log"], capture_output=True, text=True)

    warm, quarter = memory[30:], max(1, len(memory[30:]) // 4)
    first, last = statistics.median(warm[:quarter]), statistics.median(warm[-quarter:])
    adults, children = (args.visits + 1) // 2, args.visits // 2
    faults = []
    if decisions != {"Allow": adults, "Refer": children}:
        faults.append(f"decisions {dict(decisions)}, expected {adults} Allow and {children} Refer")
    if not opened == adults:
        faults.append(f"the relay was energised {opened} times for {adults} adults")
    if shut < opened:
        faults.append(f"the relay was released {shut} times")
    if last > first + 2:
        faults.append(f"memory grew from {first:.1f} to {last:.1f} MB")
    if max(files[30:]) - min(files[30:]) > 2:
        faults.append(f"file descriptors between {min(files[30:])} and {max(files[30:])}")
    if verified.returncode != 0:
        faults.append(verified.stdout.strip())
    line = (
        f"soak: {args.visits * (SEEN + AWAY):,} frames shown, {judged:,} judged, {args.visits:,} visits in {seconds:.0f} s; {dict(decisions)}; "
        f"memory {first:.1f} MB in the first quarter, {last:.1f} MB in the last; {min(files[30:])} to {max(files[30:])} file descriptors; "
        f"{verified.stdout.strip()}"
    )
    print(line)
    for fault in faults:
        print(f"FAILED: {fault}")
    if faults:
        return 1
    if args.readme:
        replace_block("soak", "scripts/soak.py", f"Long run on the development machine (`python3 scripts/soak.py`): {line.removeprefix('soak: ')}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
