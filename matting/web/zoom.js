// How a picture lies in frames of one size: fitted, then zoomed by the wheel or two fingers. Before painter.js, viewer.js.
class Lens {
  constructor(frames, size, placed) {  // size: () -> {width, height} or null; placed: called where it lies otherwise
    Object.assign(this, {frames: frames, size: size, placed: placed, scale: 1, x: 0, y: 0, width: 0, height: 0});
    this.fingers = new Map();
    frames.forEach(frame => this.listen(frame));
    new ResizeObserver(() => this.fit()).observe(frames[0]);
  }

  get pinched() { return this.fingers.size > 1; }

  get transform() { return `translate(${this.x}px, ${this.y}px) scale(${this.scale})`; }

  fit() {
    const size = this.size(), across = this.frames[0].clientWidth, down = this.frames[0].clientHeight;
    if (!size || !across) return;
    const by = Math.min(across / size.width, down / size.height);
    this.width = size.width * by; this.height = size.height * by;
    this.scale = 1; this.x = (across - this.width) / 2; this.y = (down - this.height) / 2;
    this.placed();
  }

  move(x, y) { this.x = x; this.y = y; this.placed(); }

  zoom(frame, by, x, y) {  // about a point of the window
    const area = frame.getBoundingClientRect(), left = x - area.left - frame.clientLeft, top = y - area.top - frame.clientTop;
    const scale = Math.min(32, Math.max(1, this.scale * by)), factor = scale / this.scale;
    this.scale = scale;
    if (scale === 1) this.fit(); else this.move(left - (left - this.x) * factor, top - (top - this.y) * factor);
  }

  listen(frame) {
    frame.addEventListener("wheel", event => {
      if (!this.size()) return;
      event.preventDefault();
      this.zoom(frame, Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
    }, {passive: false});
    frame.addEventListener("pointerdown", event => {
      if (event.pointerType === "touch") this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    frame.addEventListener("pointermove", event => {
      if (!this.fingers.has(event.pointerId)) return;
      const [x, y] = this.fingers.get(event.pointerId), now = [event.clientX, event.clientY];
      this.fingers.set(event.pointerId, now);
      if (!this.pinched || !this.size()) return;
      const [other] = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const apart = place => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
      this.zoom(frame, apart(now) / apart([x, y]), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      if (this.scale > 1) this.move(this.x + (now[0] - x) / 2, this.y + (now[1] - y) / 2);
    });
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, event => this.fingers.delete(event.pointerId));
  }
}
