"""The fleet's page in headless Chromium, at the width of a phone and of a desk.

`python3 link/tests/page.py PAGE.html` (with selenium; `make link-test` brings it).
"""

import pathlib
import sys

from selenium.webdriver.common.by import By

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/browser"))
from report_reads_well_on_a_phone import open_browser


def check(browser, width: int) -> list[str]:
    faults = []
    if (wide := browser.execute_script("return document.documentElement.scrollWidth")) > width:
        faults.append(f"the page is {wide} wide: it must be scrolled sideways")
    text = browser.find_element(By.TAG_NAME, "body").text
    for part in ("Age gates", "badly-lit", "66.7 %", "out of order", "offline", "whole to 60", "4 gates"):
        if part not in text:
            faults.append(f"{part!r} is not to be read")
    if (rows := len(browser.find_elements(By.CSS_SELECTOR, "tbody tr"))) != 4:
        faults.append(f"{rows} rows, expected 4")
    for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr"):
        if not row.is_displayed() or row.size["height"] < 20:
            faults.append(f"a row is {row.size}")
    if "badly-lit" not in " ".join(cell.find_element(By.XPATH, "..").text for cell in browser.find_elements(By.CSS_SELECTOR, "td.stands")):
        faults.append("the badly lit door does not stand out")
    if browser.find_elements(By.TAG_NAME, "script"):
        faults.append("a gate's words became a script")
    size = browser.execute_script("return parseFloat(getComputedStyle(document.querySelector('td')).fontSize)")
    if size < 15:
        faults.append(f"text of {size} pixels")
    faults += [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    if outside := browser.execute_script("return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length"):
        faults.append(f"the page loads {outside} other files: it is not self-contained")
    return faults


def main() -> None:
    page = pathlib.Path(sys.argv[1]).resolve()
    failed = 0
    for width, height in ((390, 844), (1280, 900)):
        browser = open_browser(width, height)
        try:
            browser.get(page.as_uri())
            faults = check(browser, width)
        finally:
            browser.quit()
        failed += bool(faults)
        print(f"fleet page at {width} pixels: {'; '.join(faults) or 'ok'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
