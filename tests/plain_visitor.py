"""A visitor of the page without a browser: what Gradio's own client would send, by HTTP."""
import json
import urllib.request
import uuid

TIMEOUT = 180  # seconds for whatever the page does; the first of an installation compiles pymatting


class PlainVisitor:
    """One session; what is painted is given as painter.js would send it."""

    def __init__(self, site):
        self.address, self.name = site.address, uuid.uuid4().hex
        self.config = json.load(self.get("config"))
        self.presence = self.get(f"gradio_api/heartbeat/{self.name}")  # an open page; closed, its visitor has left
        self.choices = [component["props"].get("value") for component in self._inputs("cut_out")[1:]]

    def get(self, path):
        """An open response; raises HTTPError."""
        return urllib.request.urlopen(self.address + path, timeout=TIMEOUT)

    def leave(self):
        self.presence.close()

    def upload(self, box, path):
        """Put a file into a box of the page -> what it then shows, and is told."""
        boundary = uuid.uuid4().hex
        head = (f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n")
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        uploaded, = self._post("upload", body, kind)
        file = {"path": uploaded, "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}
        return self.ask(box, "upload", file)

    def cut_out(self, marks, **choices):
        """choices: other values than the page offers, by the box's id -> what the viewer shows, what is said."""
        boxes = [component["props"].get("elem_id") for component in self._inputs("cut_out")[1:]]
        values = {**dict(zip(boxes, self.choices, strict=True)), "colour": "#ffffff"}  # its box is HTML
        return self.ask("cut_out", "click", marks, *{**values, **choices}.values())

    def ask(self, box, event, *data):
        """What happens in the page's box with that id -> values of what changes."""
        number = self._dependency(box, event)["id"]
        self._post("queue/join", json.dumps({"data": data, "fn_index": number, "session_hash": self.name}).encode(),
                   "application/json")
        with self.get(f"gradio_api/queue/data?session_hash={self.name}") as stream:
            for line in stream:
                told = json.loads(line.removeprefix(b"data:")) if line.startswith(b"data:") else {}
                if told.get("msg") == "process_completed":
                    assert told["success"], told
                    return told["output"]["data"]
        raise AssertionError("the page never answered")

    def _post(self, path, body, kind):
        request = urllib.request.Request(f"{self.address}gradio_api/{path}", body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return json.load(response)

    def _component(self, box):
        return next(c for c in self.config["components"] if c["props"].get("elem_id") == box)

    def _dependency(self, box, event):
        target = [self._component(box)["id"], event]
        return next(d for d in self.config["dependencies"] if target in map(list, d["targets"]))

    def _inputs(self, box):
        by_id = {component["id"]: component for component in self.config["components"]}
        return [by_id[number] for number in self._dependency(box, "click")["inputs"]]
