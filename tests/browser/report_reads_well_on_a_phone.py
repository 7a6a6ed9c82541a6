"""The evaluation report in a real browser: headless Chromium from Debian, at the width of a phone and of a desk.

`python3 tests/browser/report_reads_well_on_a_phone.py [REPORT.html] [--screenshot FILE]`. Without a report it makes one of
the demonstration's faces, which depict nobody.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

ROOT = pathlib.Path(__file__).resolve().parents[2]
AGEGATE = ROOT / "target/release/agegate"


def make_report(folder: pathlib.Path) -> pathlib.Path:
    faces = folder / "faces"
    faces.mkdir()
    for k, age in enumerate((7, 8, 14, 15, 16, 17, 19, 22, 27, 33, 40, 41, 55, 62, 72, 78)):
        (faces / f"{age}_{k % 2}_{k % 5}_{k}.png").write_bytes((ROOT / "tests/golden/chip.png").read_bytes())
    subprocess.run([AGEGATE, "evaluate", "--dataset", faces, "--aligned", "--report", folder / "report"], check=True, stdout=subprocess.DEVNULL)
    return folder / "report/report.html"


def open_browser(width: int, height: int) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", f"--window-size={width},{height}"):
        options.add_argument(flag)
    # A window is never narrower than 500 pixels: a phone is emulated.
    if width < 500:
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2.0}})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def check(browser: webdriver.Chrome, width: int) -> list[str]:
    faults = []
    if (wide := browser.execute_script("return document.documentElement.scrollWidth")) > width:
        faults.append(f"at {width} pixels the page is {wide} wide: it must be scrolled sideways")
    drawings = browser.find_elements(By.TAG_NAME, "svg")
    if len(drawings) != 6:
        faults.append(f"{len(drawings)} plots, expected 6")
    for k, drawing in enumerate(drawings):
        if drawing.size["width"] < 0.8 * (min(width, 832) - 40) or drawing.size["height"] < 100:
            faults.append(f"plot {k + 1} is {drawing.size} at {width} pixels")
    text = browser.find_element(By.TAG_NAME, "body").text
    for part in ("MAE", "13-17", "Challenge age 25", "Temperature", "tries", "largest errors"):
        if part not in text:
            faults.append(f"{part!r} is not to be read")
    size = browser.execute_script("return parseFloat(getComputedStyle(document.querySelector('p')).fontSize)")
    if size < 15:
        faults.append(f"text of {size} pixels")
    faults += [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    outside = browser.execute_script("return performance.getEntriesByType('resource').length")
    if outside:
        faults.append(f"the page loads {outside} other files: it is not self-contained")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("report", nargs="?", type=pathlib.Path)
    parser.add_argument("--screenshot", type=pathlib.Path)
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        report = args.report or make_report(pathlib.Path(folder))
        for width, height in ((390, 844), (1280, 900)):
            browser = open_browser(width, height)
            try:
                browser.get(report.resolve().as_uri())
                faults = check(browser, width)
                if args.screenshot and width > 500:
                    browser.set_window_size(900, 2300)
                    browser.save_screenshot(str(args.screenshot))
            finally:
                browser.quit()
            failed += bool(faults)
            print(f"report at {width} pixels: {'; '.join(faults) or 'ok'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
