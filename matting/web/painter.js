// Marks on a photograph: brushes for object, background and unknown, an eraser, a box; undo is drawing one step less.
const LONGEST = 1600;  // pixels of the layer's longer side
const COLOURS = {object: "#00ff00", background: "#ff0000", unknown: "#0000ff"};
const KEYS = {o: "object", b: "background", u: "unknown", e: "eraser", x: "box"};
const root = element.querySelector(".painter"), stage = root.querySelector(".stage"), sheet = root.querySelector(".sheet");
const photo = sheet.querySelector("img"), marks = sheet.querySelector(".marks"), over = sheet.querySelector(".over");
const width = root.querySelector(".width"), empty = root.querySelector(".empty");
let steps = [], undone = [], size = null, tool = "object", started = null, hovered = null;
const lens = new Lens([stage], () => size, () => {
  sheet.style.width = `${lens.width}px`; sheet.style.height = `${lens.height}px`;
  sheet.style.transform = lens.transform;
  drawOver();
});

function replay() {
  const pen = marks.getContext("2d", {willReadFrequently: true});
  pen.clearRect(0, 0, marks.width, marks.height);
  steps.forEach(step => draw(pen, step));
  drawOver();
  root.querySelector("[data-do=undo]").disabled = !steps.length;
  root.querySelector("[data-do=redo]").disabled = !undone.length;
  root.querySelector("[data-do=clear]").disabled = !steps.length;
}

function draw(pen, step) {
  if (step.layer) pen.drawImage(step.layer, 0, 0, marks.width, marks.height);
  if (step.clear) pen.clearRect(0, 0, marks.width, marks.height);
  if (!step.points) return;
  pen.globalCompositeOperation = step.tool === "eraser" ? "destination-out" : "source-over";
  pen.strokeStyle = COLOURS[step.tool] || "#000";
  pen.lineWidth = step.width;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...step.points[0]);
  step.points.forEach(point => pen.lineTo(...point));
  pen.stroke();
  pen.globalCompositeOperation = "source-over";
}

function box() {  // the last one drawn since the marks were cleared, in pixels of the layer
  for (const step of [...steps].reverse()) {
    if (step.box) return step.box;
    if (step.clear) return null;
  }
  return null;
}

function drawOver() {
  const pen = over.getContext("2d"), line = marks.width / (sheet.clientWidth * lens.scale || 1);
  pen.clearRect(0, 0, over.width, over.height);
  const shown = started && started.box ? started.box : box();
  if (shown) {
    for (const [colour, dash] of [["#000", []], ["#ffd400", [6 * line, 6 * line]]]) {
      pen.strokeStyle = colour; pen.lineWidth = 2 * line; pen.setLineDash(dash);
      pen.strokeRect(...shown);
    }
    pen.setLineDash([]);
  }
  if (hovered && tool !== "box") {
    pen.strokeStyle = "#fff"; pen.lineWidth = 1.5 * line;
    pen.beginPath(); pen.arc(...hovered, brush() / 2, 0, 7); pen.stroke();
    pen.strokeStyle = "#000"; pen.lineWidth = .5 * line; pen.stroke();
  }
}

function brush() {  // the slider says screen pixels of the whole photograph; the layer has its own
  return width.value * marks.width / (sheet.clientWidth || 1);
}

function at(event) {
  const area = marks.getBoundingClientRect();
  return [(event.clientX - area.left) * marks.width / area.width, (event.clientY - area.top) * marks.height / area.height];
}

function choose(name) {
  tool = root.dataset.tool = name;
  root.querySelectorAll("[data-tool]").forEach(button => button.classList.toggle("chosen", button.dataset.tool === name));
  drawOver();
}

function add(step) { steps.push(step); undone = []; replay(); }

const DEEDS = {
  undo: () => { if (steps.length) undone.push(steps.pop()); replay(); },
  redo: () => { if (undone.length) steps.push(undone.pop()); replay(); },
  clear: () => { if (steps.length) add({clear: true}); },
  fit: () => lens.fit(),
};

root.querySelectorAll("[data-tool]").forEach(button => button.addEventListener("click", () => choose(button.dataset.tool)));
root.querySelectorAll("[data-do]").forEach(button => button.addEventListener("click", () => DEEDS[button.dataset.do]()));
width.addEventListener("input", drawOver);
stage.addEventListener("contextmenu", event => event.preventDefault());
stage.addEventListener("pointerleave", () => { hovered = null; drawOver(); });
stage.addEventListener("pointerdown", event => {
  if (!size) return;
  event.preventDefault();
  stage.setPointerCapture(event.pointerId);
  if (lens.pinched) { started = null; replay(); return; }
  if (event.button) { started = {drag: [event.clientX - lens.x, event.clientY - lens.y]}; return; }
  const point = at(event);
  started = tool === "box" ? {corner: point, box: [...point, 0, 0]} : {tool: tool, width: brush(), points: [point]};
  if (started.points) draw(marks.getContext("2d"), started);
});
stage.addEventListener("pointermove", event => {
  if (!size || lens.pinched) return;
  const point = hovered = at(event);
  if (started && started.drag) {
    lens.move(event.clientX - started.drag[0], event.clientY - started.drag[1]);
  } else if (started && started.corner) {
    const [x, y] = started.corner.map((start, axis) => Math.min(start, point[axis]));
    started.box = [x, y, Math.abs(point[0] - started.corner[0]), Math.abs(point[1] - started.corner[1])];
  } else if (started) {
    const last = started.points[started.points.length - 1];
    started.points.push(point);
    draw(marks.getContext("2d"), {...started, points: [last, point]});
  }
  drawOver();
});
stage.addEventListener("pointerup", () => {
  const step = started;
  started = null;
  if (step && step.points) add(step);
  if (step && step.box && step.box[2] > 2 && step.box[3] > 2) add({box: step.box});
  drawOver();
});
document.addEventListener("keydown", event => {
  if (!size || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "range") return;
  if (event.ctrlKey || event.metaKey) {
    const deed = {z: event.shiftKey ? "redo" : "undo", y: "redo"}[event.key.toLowerCase()];
    if (deed) { event.preventDefault(); DEEDS[deed](); }
  } else if (KEYS[event.key]) choose(KEYS[event.key]);
  else if (event.key === "[" || event.key === "]") { width.value = +width.value + (event.key === "]" ? 4 : -4); drawOver(); }
});

// What the server sends: {url, width, height, layer}, of a photograph; null takes it away.
function show() {
  const value = props.value && props.value.url ? props.value : null;
  steps = []; undone = []; size = value;
  sheet.hidden = !value; empty.hidden = !!value;
  empty.style.display = value ? "none" : "";
  if (!value) return;
  const scale = Math.min(1, LONGEST / Math.max(value.width, value.height));
  for (const canvas of [marks, over]) {
    canvas.width = Math.max(1, Math.round(value.width * scale)); canvas.height = Math.max(1, Math.round(value.height * scale));
  }
  photo.src = value.url;
  lens.fit();
  replay();
  if (value.layer) {
    const layer = new Image();
    layer.onload = () => { if (size === value) add({layer: layer}); };
    layer.src = value.layer;
  }
}

// What the server is sent: the layer as PNG, null where nothing is painted, and the box in pixels of the photograph.
root.read = () => {
  if (!size) return null;
  const painted = marks.getContext("2d").getImageData(0, 0, marks.width, marks.height).data.some((value, i) => i % 4 === 3 && value);
  const drawn = box(), by = size.width / marks.width;
  return {layer: painted ? marks.toDataURL("image/png") : null, box: drawn && drawn.map(value => Math.round(value * by))};
};

choose("object");
replay();
watch("value", show);
show();
