"""The picture of the page in use, docs/web.jpg: python -m tests.web_screenshot"""
import tempfile
from pathlib import Path

from tests.browser import Visitor, open_browser
from tests.watched_site import ROOT, open_site

TARGET = ROOT / "docs" / "web.jpg"
SCREEN = 1280, 840
QUALITY = 88
SETTLED = 500  # milliseconds for buttons to change colour


def main():
    with tempfile.TemporaryDirectory() as folder, open_site(Path(folder)) as site, open_browser(*SCREEN) as browser:
        visitor = Visitor(browser, site.address)
        visitor.open_example("astronaut")
        visitor.press("cut_out", "Matte")
        visitor.show("Trimap", pane=0)
        visitor.page.mouse.move(0, 0)
        visitor.page.wait_for_timeout(SETTLED)
        visitor.page.screenshot(path=TARGET, type="jpeg", quality=QUALITY)
    print(TARGET)


if __name__ == "__main__":
    main()
