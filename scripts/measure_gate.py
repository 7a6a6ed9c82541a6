"""Measures the running gate and writes the figures into the README: latency, start, memory, processor share.

Runs the release binary as a daemon on the demonstration clip (recorded frames, simulated relay), one time after the other,
and reads the decision log and /proc. Say on which machine when you quote it.
"""

import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from readme import replace_block

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNS = 4


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def one_run(folder: pathlib.Path) -> dict:
    config = folder / "agegate.toml"
    config.write_text(
        f'[camera]\nsource = "replay"\npath = "{ROOT}/demo/visitors.mjpeg"\n[relay]\ndriver = "simulated"\n'
        f'[visit]\nmax_tries = 100\n[log]\nfolder = "{folder}/log"\n'
    )
    started = time.monotonic()
    process = subprocess.Popen([ROOT / "target/release/agegate", "run", "--config", config], stderr=subprocess.PIPE, text=True,
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
            memory.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
            ticks.append((time.monotonic(), (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")))
    process.wait()
    latencies = [json.loads(l) for f in sorted((folder / "log").glob("*.jsonl")) for l in f.read_text().splitlines()]
    seconds, used = ticks[-1][0] - ticks[5][0], ticks[-1][1] - ticks[5][1]
    return {
        "first": first,
        "memory": memory[-1],
        "share": used / seconds,
        "latency": [r["latency_ms"] for r in latencies if r["event"] == "decision"],
        "bytes": [len(json.dumps(r, separators=(",", ":"))) + 1 for r in latencies if r["event"] == "decision"],
    }


def main() -> None:
    runs = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(one_run(pathlib.Path(folder)))
    latency = [v for r in runs for v in r["latency"]]
    median = lambda key: statistics.median(r[key] for r in runs)
    size = (ROOT / "target/release/agegate").stat().st_size
    table = "\n".join([
        "| figure | value |",
        "|---|---|",
        f"| capture of the deciding frame to logged decision, 640x480, {len(latency)} decisions | p50 {percentile(latency, 0.5):.0f} ms, p99 {percentile(latency, 0.99):.0f} ms |",
        f"| start of the program to first judged frame | {median('first'):.2f} s |",
        f"| resident memory in steady state | {median('memory'):.0f} MB |",
        f"| processor share of one core at 10 frames a second | {median('share') * 100:.0f} % |",
        f"| bytes written for each decision | {statistics.mean(v for r in runs for v in r['bytes']):.0f} |",
        f"| binary, stripped, models included | {size / 1e6:.1f} MB |",
    ])
    print(table)
    replace_block("gate", "scripts/measure_gate.py", table)


if __name__ == "__main__":
    main()
