// Two views of a photograph side by side, moved and zoomed as one. From the server: {width, height, views, downloads}.
const root = element.querySelector(".viewer"), panes = [...root.querySelectorAll(".pane")];
const downloads = root.querySelector(".downloads");
let size = null, chosen = ["Photo", "Cut-out"], dragged = null;

const lens = new Lens(panes.map(pane => pane.querySelector(".window")), () => size, () => {
  for (const image of root.querySelectorAll("img")) {
    image.style.width = `${lens.width}px`; image.style.height = `${lens.height}px`;
    image.style.transform = lens.transform;
    image.style.backgroundSize = `${20 / lens.scale}px ${20 / lens.scale}px`;
    image.style.imageRendering = lens.scale * lens.width > 2 * size.width ? "pixelated" : "auto";
  }
});

function choose(index, name) {
  const found = size.views.find(entry => entry.name === name) || size.views[index ? size.views.length - 1 : 0];
  const pane = panes[index];
  pane.querySelector("img").src = found.url;
  pane.querySelector("img").alt = found.name;
  pane.querySelector(".window").classList.toggle("checked", found.name === "Cut-out");
  pane.querySelectorAll("button").forEach(button => button.classList.toggle("chosen", button.textContent === found.name));
}

function show() {
  const before = size;
  size = props.value && props.value.views ? props.value : null;
  root.classList.toggle("filled", !!size);
  downloads.replaceChildren();
  panes.forEach(pane => { pane.querySelector(".views").replaceChildren(); pane.querySelector("img").removeAttribute("src"); });
  if (!size) return;
  panes.forEach((pane, index) => {
    for (const entry of size.views) {
      const button = document.createElement("button");
      button.textContent = entry.name;
      button.addEventListener("click", () => { chosen[index] = entry.name; choose(index, entry.name); });
      pane.querySelector(".views").append(button);
    }
    choose(index, chosen[index]);
  });
  for (const entry of size.downloads) {
    const link = document.createElement("a"), amount = document.createElement("small");
    link.href = entry.url; link.download = entry.file;
    link.textContent = `⬇ ${entry.name} `;
    amount.textContent = entry.size;
    link.append(amount);
    downloads.append(link);
  }
  if (before && before.width === size.width && before.height === size.height) lens.placed(); else lens.fit();
}

root.querySelectorAll(".window").forEach(frame => {
  frame.addEventListener("pointerdown", event => {
    event.preventDefault();
    frame.setPointerCapture(event.pointerId);
    dragged = lens.pinched ? null : [event.clientX - lens.x, event.clientY - lens.y];
  });
  frame.addEventListener("pointermove", event => {
    if (dragged && !lens.pinched) lens.move(event.clientX - dragged[0], event.clientY - dragged[1]);
  });
  frame.addEventListener("pointerup", () => { dragged = null; });
  frame.addEventListener("dblclick", () => lens.fit());
});
watch("value", show);
show();
