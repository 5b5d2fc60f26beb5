// Parallel coordinates: lines for trials on a canvas, what is selected and the axes on one above it, a range to brush on each axis.

const MANY_LINES = 300;  // from so many on they are drawn more lightly
const LINES_AT_ONCE = 20;
const MOST_MS = 8;  // of a frame that drawing lines may take

class ParallelPicture {
  constructor(place, selection) {
    Object.assign(this, {place, selection, ranges: new Map(), hovered: null});
    selection.listeners.push(() => this.highlight());
    new ResizeObserver(() => this.paint()).observe(place);
  }

  draw(figure) {
    if (this.figure && this.figure.axes.map((it) => it.label).join() !== figure.axes.map((it) => it.label).join()) this.ranges.clear();
    this.figure = figure;
    this.hovered = null;
    const inner = made("div", {});
    inner.style.minWidth = `${figure.axes.length * 86}px`;
    [this.lines, this.canvas] = [made("canvas"), made("canvas")];
    this.tip = made("div", {className: "tip", hidden: true});
    this.strips = figure.axes.map((axis, index) => {
      const strip = made("div", {className: "axis", title: axis.label});
      strip.onpointerdown = (event) => this.brush(event, index, strip);
      return strip;
    });
    inner.append(this.lines, this.canvas, ...this.strips, this.tip);
    inner.onpointermove = (event) => this.hover(event);
    inner.onpointerleave = () => this.hover(null);
    inner.onclick = () => { if (this.hovered !== null) this.selection.toggle(this.figure.ids[this.hovered]); };
    this.place.classList.add("parallel");
    this.place.replaceChildren(inner);
    this.inner = inner;
    if (this.strips.map((_, index) => this.mark(index)).some(Boolean)) this.choose();
    this.paint();
  }

  // Show the range of an axis, and return whether it has one.
  mark(index) {
    this.strips[index].replaceChildren();
    if (!this.ranges.has(index)) return false;
    const [low, high] = this.ranges.get(index), box = made("i");
    box.style.top = `${100 * (1 - high)}%`;
    box.style.height = `${100 * (high - low)}%`;
    this.strips[index].append(box);
    return true;
  }

  choose() {
    const ids = this.figure.ids.filter((_, row) => this.passes(row));
    this.selection.choose(this.place.id, this.ranges.size ? new Set(ids) : null);
  }

  x(index) {
    const left = 50, right = 56;
    return left + (this.width - left - right) * index / Math.max(this.figure.axes.length - 1, 1);
  }

  y(share) {
    return 34 + (1 - share) * (this.height - 48);
  }

  passes(row) {
    for (const [index, [low, high]] of this.ranges) {
      const share = this.figure.columns[index][row];
      if (share === null || share < low || share > high) return false;
    }
    return true;
  }

  brush(event, index, strip) {
    event.preventDefault();
    strip.setPointerCapture(event.pointerId);
    const share = (it) => Math.min(Math.max(1 - (it.clientY - strip.getBoundingClientRect().top) / strip.clientHeight, 0), 1);
    const start = share(event);
    const end = (it) => {
      const range = [Math.min(start, share(it)), Math.max(start, share(it))];
      if (range[1] - range[0] < 0.015) this.ranges.delete(index); else this.ranges.set(index, range);
      this.mark(index);
    };
    let waiting = null;
    strip.onpointermove = (it) => { end(it); waiting ??= requestAnimationFrame(() => { waiting = null; this.paint(); }); };
    strip.onpointerup = (it) => {
      end(it);
      strip.onpointermove = strip.onpointerup = null;
      this.paint();
      this.choose();
    };
  }

  hover(event) {
    const before = this.hovered;
    this.hovered = null;
    if (event && !event.buttons) {
      const box = this.canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      let nearest = 7;
      const last = this.figure.axes.length - 2;
      const left = Math.min(Math.max(this.figure.axes.findIndex((_, index) => this.x(index) > x) - 1, 0), last);
      const along = (x - this.x(left)) / (this.x(left + 1) - this.x(left));
      if (along > -0.05 && along < 1.05) this.figure.ids.forEach((_, row) => {
        const [a, b] = [this.figure.columns[left][row], this.figure.columns[left + 1][row]];
        if (a === null || b === null || !this.passes(row)) return;
        const distance = Math.abs(this.y(a + (b - a) * along) - y);
        if (distance <= nearest) [nearest, this.hovered] = [distance, row];
      });
      if (this.hovered !== null) {
        this.tip.textContent = this.figure.about[this.hovered];
        this.tip.style.transform = `translate(${Math.min(x + 14, Math.max(this.width - 230, 0))}px, ${Math.min(y + 10, this.height - 120)}px)`;
      }
    }
    this.tip.hidden = this.hovered === null;
    if (this.hovered !== before) this.highlight();
  }

  // Return the pen of an empty canvas.
  pen(canvas, options) {
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [this.width * ratio, this.height * ratio];
    const pen = canvas.getContext("2d", options);
    pen.scale(ratio, ratio);
    return pen;
  }

  line(pen, row) {
    pen.beginPath();
    let lifted = true;
    this.figure.columns.forEach((column, index) => {
      if (column[row] === null) { lifted = true; return; }
      if (lifted) pen.moveTo(this.x(index), this.y(column[row])); else pen.lineTo(this.x(index), this.y(column[row]));
      lifted = false;
    });
    pen.stroke();
  }

  // Draw everything; the lines again and again until nothing has changed meanwhile.
  async paint() {
    if (!this.figure || !this.inner.clientWidth) return;
    [this.width, this.height] = [this.inner.clientWidth, this.inner.clientHeight];
    this.strips.forEach((strip, index) => { strip.style.left = `${this.x(index)}px`; });
    this.highlight();
    this.isStale = true;
    if (this.isPainting) return;
    this.isPainting = true;
    for (; this.isStale; await this.paintLines()) this.isStale = false;
    this.isPainting = false;
  }

  // Draw the lines out of sight, some in each frame, and show them when all are there.
  async paintLines() {
    const canvas = made("canvas"), pen = this.pen(canvas, {willReadFrequently: true});
    const {figure, lines} = this, isMany = figure.ids.length > MANY_LINES;
    const quiet = getComputedStyle(document.documentElement).getPropertyValue("--quiet").trim();
    const strong = (dark.matches && onDark[figure.colour]) || figure.colour;
    let since = performance.now();
    for (let row = 0; row < figure.ids.length; row++) {
      const shade = figure.shades[row], isIn = this.passes(row);
      if (isMany && !isIn) continue;
      pen.strokeStyle = isIn && shade > 0 ? strong : quiet;
      pen.lineWidth = isIn ? 1 + (isMany ? 0.3 : 1) * shade : 0.8;
      pen.globalAlpha = isIn ? (isMany ? 0.08 : 0.35) + (isMany ? 0.3 : 0.5) * shade : 0.1;
      this.line(pen, row);
      if (row % LINES_AT_ONCE) continue;
      pen.getImageData(0, 0, 1, 1);  // draws now what a canvas puts off until it is shown
      if (performance.now() - since < MOST_MS) continue;
      await new Promise(requestAnimationFrame);
      since = performance.now();
      if (figure !== this.figure) return;
    }
    [lines.width, lines.height] = [canvas.width, canvas.height];
    lines.getContext("2d").drawImage(canvas, 0, 0);
  }

  // Draw what is selected or under the pointer, and the axes.
  highlight() {
    if (!this.figure || !this.width) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const pen = this.pen(this.canvas);
    pen.strokeStyle = colour("--mark");
    pen.lineWidth = 2.5;
    this.figure.ids.forEach((id, row) => { if (this.selection.selected.has(id) || row === this.hovered) this.line(pen, row); });
    this.labels(pen, colour, getComputedStyle(document.body).fontFamily);
  }

  labels(pen, colour, family) {
    const write = (text, x, y) => {
      pen.strokeStyle = colour("--panel");
      pen.lineWidth = 3;
      pen.strokeText(text, x, y);
      pen.fillStyle = colour("--text");
      pen.fillText(text, x, y);
    };
    const last = this.figure.axes.length - 1;
    this.figure.axes.forEach((axis, index) => {
      // A name stands within the picture and in its half of the room between two axes.
      const x = this.x(index), half = (last ? this.x(1) - this.x(0) : this.width) / 2 - 4;
      const room = half + Math.min(half, index === 0 ? x : index === last ? this.width - x : half);
      pen.strokeStyle = colour("--quiet");
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(x, this.y(0));
      pen.lineTo(x, this.y(1));
      pen.stroke();
      pen.font = `600 12px ${family}`;
      pen.textAlign = "center";
      pen.textBaseline = "alphabetic";
      let name = axis.label.replace(/ \(.*/, "").split(".").pop();
      while (name.length > 3 && pen.measureText(name).width > room) name = `${name.slice(0, -2)}…`;
      const side = pen.measureText(name).width / 2 + 2;
      write(name, Math.min(Math.max(x, side), this.width - side), 16);
      pen.font = `11px ${family}`;
      pen.textBaseline = "middle";
      pen.textAlign = index === last ? "left" : "right";
      for (const [share, text] of axis.ticks) {
        const shown = text.length > 14 ? `${text.slice(0, 6)}…${text.slice(-7)}` : text;
        write(shown, x + (index === last ? 6 : -6), this.y(share));
      }
    });
  }
}
