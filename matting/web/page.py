"""The page: what stands where, and what each button asks of the visitor's Session."""
import base64
import html
import logging
import threading
from pathlib import Path

import gradio as gr

from matting.programs.results import FORMATS
from matting.trimap.band import DEFAULT_BAND
from matting.web.session import GUIDES, LAYER, Marks, Session, Wish

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"  # NAME.jpg and its strokes, NAME.png
TITLE = "Matting: cut an object out of a photograph"
INTRODUCTION = f"""## {TITLE}
Open a photograph, paint some of the object and of the background, or draw a box, and cut out. Paint *unknown* where
hair, fur or glass was missed. The wheel zooms, the right button moves; two fingers do both."""
STYLE = """
.html-container.html-container { padding: 0; }
#message p { margin: 2px 0; padding: 6px 10px; border-radius: 6px; border-left: 4px solid var(--color-accent);
  background: var(--background-fill-secondary); font-size: 14px; overflow-wrap: anywhere; }
#message p.error { border-color: #d33; }
#examples { color: var(--body-text-color); font-size: 14px; }
#examples .row { display: flex; flex-wrap: wrap; gap: 4px; margin-top: 4px; }
#examples img { height: 56px; border-radius: 6px; cursor: pointer; margin: 0; border: 2px solid transparent; }
#examples img:hover { border-color: var(--color-accent); }
#colour label { display: block; padding: 10px 8px; font-size: 14px; }
#colour span { color: var(--block-title-text-color); }
#colour input { display: block; width: 100%; height: 38px; margin-top: 8px; cursor: pointer; background: none; }
"""
COLOUR = """<label title="behind the composite"><span>Background</span><input type="color" value="#ffffff"></label>"""
READ_WISH = """(_marks, _colour, ...others) => [document.querySelector('.painter').read(),
  document.querySelector('#colour input').value, ...others]"""  # read: of painter.js
CHOOSE_EXAMPLE = """element.addEventListener("click", event => {
  if (event.target.dataset.name) trigger("click", {name: event.target.dataset.name});
});"""
WORK = "work"  # what only one visitor at a time is given
NEVER_TAKEN = "2gb"  # what is smaller, but too large, is told in a line
SHOW_MESSAGE = "() => document.querySelector('#message').scrollIntoView({block: 'nearest'})"
KEEP = gr.skip()  # what is shown stays


class Visitors:
    """A Session for each open page."""

    def __init__(self, root, methods):
        self.root, self.methods, self.sessions = root, methods, {}
        self.lock = threading.Lock()

    def session(self, request):
        """The one of whoever sends this request."""
        key = request.session_hash
        with self.lock:
            if key not in self.sessions:
                self.sessions[key] = Session(self.root, self.methods)
            return self.sessions[key]

    def leave(self, request: gr.Request):
        """The page was closed: what was uploaded and made goes."""
        session = self.sessions.pop(request.session_hash, None)
        if session:
            session.close()

    def open_photo(self, path, request: gr.Request):
        """-> what the box of the upload, the painter and the viewer show, and what there is to say."""
        self.session(request).receive(path)
        photo, said = self._open(request, path)
        return KEEP if photo else None, photo, {}, said

    def open_example(self, request: gr.Request, event: gr.EventData):
        """The same of an example, which comes with marks."""
        path = next(path for path in example_photos() if path.stem == event.name)
        layer = base64.b64encode(path.with_suffix(".png").read_bytes()).decode()
        photo, said = self._open(request, path, {"layer": LAYER + layer})
        return None, photo, {}, said

    def close_photo(self, request: gr.Request):
        """-> what painter and viewer show, and what there is to say."""
        self._answer(request, lambda session: (session.drop("photo"), []))
        return {}, {}, ""

    def taker(self, role):
        """What an upload of a role calls -> what its box shows, and what there is to say."""

        def take(path, request: gr.Request):
            self.session(request).receive(path)
            return self._answer(request, lambda session: (session.take(role, path) or KEEP, []), failed=None)

        return take

    def dropper(self, role):
        """What taking an upload back calls -> what there is to say."""

        def drop(request: gr.Request):
            return self._answer(request, lambda session: (session.drop(role), []))[1]

        return drop

    def trimap(self, request: gr.Request, marks, *wish):
        """-> what the viewer shows, and what there is to say."""
        return self._answer(request, lambda session: session.trimap(Marks.parse(marks), Wish(*wish)))

    def matte(self, request: gr.Request, marks, *wish):
        return self._answer(request, lambda session: session.matte(Marks.parse(marks), Wish(*wish)))

    def _open(self, request, path, more=()):
        return self._answer(request, lambda session: ({**session.open_photo(path), **dict(more)}, []), failed={})

    def _answer(self, request, deed, failed=KEEP):
        """deed(session) -> what is shown, and lines as HTML; where it goes wrong, `failed` and the one line of why.

        A visitor's deeds wait for each other.
        """
        session = self.session(request)
        try:
            with session.lock:
                value, lines = deed(session)
            return value, paragraphs(lines)
        except Exception as error:
            line = session.explain(error)
            if line is None:
                log.exception("a fault of this program")
                line = f"a fault of this program ({type(error).__name__}); its log says more"
            return failed, paragraphs(line.splitlines(), "error")
        finally:
            if session.closed:  # its visitor left meanwhile
                session.close()


def paragraphs(lines, kind="notice"):
    """Lines as HTML."""
    return "".join(f'<p class="{kind}">{html.escape(line)}</p>' for line in lines)


def example_photos():
    return sorted(EXAMPLES.glob("*.jpg"))


def example_row():
    """The examples as HTML, their pictures inside."""
    pictures = (f'<img src="data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" alt="example" '
                f'data-name="{path.stem}" title="{path.stem}">' for path in example_photos())
    return f'Examples<div class="row">{"".join(pictures)}</div>'


def part(name):
    """A gr.HTML of the files NAME.html, NAME.css and NAME.js."""
    markup, style, *scripts = ((HERE / file).read_text(encoding="utf-8")
                               for file in (f"{name}.html", f"{name}.css", "zoom.js", f"{name}.js"))
    return gr.HTML(None, html_template=markup, css_template=style, js_on_load="\n".join(scripts), elem_id=name)


def build(methods, root):
    """-> gr.Blocks; visitors' files go into folders of their own in `root`."""
    visitors = Visitors(root, methods)
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(60, 600)) as page:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(min_width=480):
                with gr.Row():
                    photo = gr.File(label="Photograph", elem_id="photo", height=120, scale=3, min_width=200)
                    examples = gr.HTML(example_row(), js_on_load=CHOOSE_EXAMPLE, elem_id="examples", scale=2,
                                       min_width=180)
                with gr.Accordion("A mask or a trimap instead of marks", open=False, elem_id="guides"):
                    guide_file = gr.File(label="Mask or trimap", elem_id="guide_file", height=120)
                    guide = gr.Radio(list(GUIDES), value=GUIDES[0], label="It is a", elem_id="guide")
                painter = part("painter")
            with gr.Column(min_width=480):
                with gr.Row():
                    method = gr.Dropdown(methods.choices, value=methods.choices[0][1], label="Weights or method",
                                         elem_id="method", scale=3, min_width=180)
                    band = gr.Textbox(f"{DEFAULT_BAND.amount}%", label="Unknown band", elem_id="band", min_width=130)
                    file_format = gr.Dropdown(list(FORMATS), value=FORMATS[0], label="Format", elem_id="format",
                                              min_width=105)
                    colour = gr.HTML(COLOUR, js_on_load=None, elem_id="colour", min_width=90)
                with gr.Accordion("A picture as background", open=False, elem_id="backgrounds"):
                    picture = gr.File(label="Picture", elem_id="picture", height=120)
                with gr.Row():
                    show_trimap = gr.Button("Show trimap", elem_id="show_trimap", min_width=140)
                    cut_out = gr.Button("Cut out", variant="primary", elem_id="cut_out", min_width=140)
                message = gr.HTML("", elem_id="message")
                viewer = part("viewer")
        photo.upload(visitors.open_photo, photo, [photo, painter, viewer, message])
        photo.clear(visitors.close_photo, None, [painter, viewer, message])
        examples.click(visitors.open_example, None, [photo, painter, viewer, message])
        for file, role in ((guide_file, "guide"), (picture, "background")):
            file.upload(visitors.taker(role), file, [file, message])
            file.clear(visitors.dropper(role), None, message)
        wish = [colour, method, guide, band, file_format]  # as the fields of Wish
        for button, deed in ((show_trimap, visitors.trimap), (cut_out, visitors.matte)):
            button.click(deed, [painter, *wish], [viewer, message], js=READ_WISH, concurrency_id=WORK,
                         concurrency_limit=1, show_progress_on=viewer)
        message.change(None, js=SHOW_MESSAGE)
        page.unload(visitors.leave)
    return page


def launch(page, root, host, port):
    """Serve the page without waiting -> its address."""
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    page.queue(api_open=False)
    _, address, _ = page.launch(server_name=host, server_port=port, prevent_thread_lock=True, quiet=True, share=False,
                                inbrowser=False, ssr_mode=False, enable_monitoring=False, allowed_paths=[str(root)],
                                footer_links=[], theme=theme, css=STYLE, max_file_size=NEVER_TAKEN)
    return address
