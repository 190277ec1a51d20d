"""A visitor of the page in headless Chromium: uploads, paints with the mouse, presses buttons, downloads."""
import os
import shutil
from contextlib import contextmanager

import numpy as np
from PIL import Image

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 180_000  # milliseconds for whatever the page does; the first of an installation compiles pymatting


@contextmanager
def open_browser(width=1440, height=900):
    """Yield a window of that size as Playwright's BrowserContext, whose pages share what is loaded once."""
    from playwright.sync_api import sync_playwright  # here, because it may be missing

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_context(viewport={"width": width, "height": height})
        browser.close()


class Visitor:
    """A person at the page, of a session of their own; notes what the browser requests and what fails in it."""

    def __init__(self, browser, address):
        self.requested, self.complaints = [], []
        self.page = browser.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector(".painter")

    def upload(self, box, path):
        self.page.set_input_files(f"#{box} input[type=file]", path)

    def open(self, path):
        self.upload("photo", path)
        self.wait_for_photo()

    def open_example(self, name):
        before = (self.marks or {}).get("layer")
        self.page.click(f"#examples img[data-name={name}]")
        self.page.wait_for_function("""before => {
          const marks = document.querySelector('.painter').read();
          return marks && marks.layer && marks.layer !== before;
        }""", arg=before)
        self.wait_for_photo()

    def wait_for_photo(self):
        self.page.wait_for_function("document.querySelector('.painter img').naturalWidth > 0")

    def choose(self, tool):
        self.page.click(f".painter [data-tool={tool}]")

    def do(self, deed):
        self.page.click(f".painter [data-do={deed}]")

    def drag(self, *points, button="left"):
        """With the mouse, over points given as parts of the photograph's width and height."""
        area = self.page.locator(".painter .marks").bounding_box()
        places = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down(button=button)
        for place in places[1:]:
            self.page.mouse.move(*place, steps=4)
        self.page.mouse.up(button=button)

    def paint(self, **strokes):
        """TOOL=points, one stroke of each."""
        for tool, points in strokes.items():
            self.choose(tool)
            self.drag(*points)

    @property
    def marks(self):
        """What the buttons send, {layer, box}."""
        return self.page.evaluate("document.querySelector('.painter').read()")

    def press(self, button, title):
        """A button, until what it gives can be downloaded under that title."""
        self.page.click(f"#{button}")
        self.page.wait_for_selector(f".downloads a:has-text('{title}')")

    def show(self, title, pane=1):
        """A view in the left (0) or right (1) window."""
        self.page.locator(".pane").nth(pane).locator(f"button:text-is('{title}')").click()
        self.page.wait_for_function("[...document.querySelectorAll('.pane img')].every(image => image.naturalWidth)")

    def download(self, title):
        """A result as the browser saves it -> its name, its pixels."""
        with self.page.expect_download() as waiting:
            self.page.click(f".downloads a:has-text('{title}')")
        return waiting.value.suggested_filename, np.array(Image.open(waiting.value.path()))

    def message(self, kind):
        return self.page.wait_for_selector(f"#message .{kind}").inner_text()

    def leave(self):
        self.page.close()
