// Unpacks plotly.js and the figures, draws them in the page's colours, and links them with the tables.
// Without this script, or in a browser that cannot unpack, the pictures stand still; on paper they do in any case.

const dark = matchMedia("(prefers-color-scheme: dark)");
const touch = matchMedia("(pointer: coarse)").matches;
const CONFIG = {responsive: true, displaylogo: false, displayModeBar: touch ? false : "hover", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], showAxisDragHandles: false};

async function unpacked(id, page = document) {
  const bytes = Uint8Array.from(atob(page.getElementById(id).textContent), (it) => it.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function themed(figure) {
  let text = JSON.stringify(figure);
  if (dark.matches) for (const [light, other] of Object.entries(onDark)) text = text.replaceAll(light, other);
  const {data, layout} = JSON.parse(text);
  const style = getComputedStyle(document.documentElement);
  const family = getComputedStyle(document.body).fontFamily;
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = {gridcolor: colour("--line"), linecolor: colour("--quiet"), showline: true, ticks: "outside", tickcolor: colour("--quiet")};
  layout.template = {layout: {
    font: {color: colour("--text"), family, size: 12},
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", xaxis: axis, yaxis: axis,
    hoverlabel: {align: "left", bgcolor: colour("--ground"), bordercolor: colour("--line"), font: {color: colour("--text"), family}},
    modebar: {bgcolor: "rgba(0,0,0,0)", color: colour("--quiet"), activecolor: colour("--text")},
    dragmode: touch ? false : "zoom",
  }};
  layout.uirevision = "same";  // drawn again, it keeps what a viewer has zoomed into
  return [data, layout];
}

// Return where each trial stands in a plotly.js figure: single marks as places, curves as lists of places.
function placesOf(figure) {
  const places = new Map();
  for (const trace of figure.data) {
    if (!trace.customdata) continue;
    const isCurve = trace.mode === "lines";
    trace.customdata.forEach((id, index) => {
      if (trace.x[index] === null) return;
      if (!places.has(id)) places.set(id, {marks: [], curve: []});
      places.get(id)[isCurve ? "curve" : "marks"].push([trace.x[index], trace.y[index]]);
    });
  }
  return places;
}

// Where each mark stands that was settled, and its path there.
const settled = new WeakMap();

// Take the transforms from the marks of a figure, and make one path of the lines of a trace, each of which has a clip: thousands
// of transforms and clips take the browser tenths of a second a frame.
function settle(place) {
  const shapes = new Map();  // each distinct path as a function of the place
  for (const mark of place.querySelectorAll(".scatterlayer path.point")) {
    const path = mark.getAttribute("d"), moved = mark.getAttribute("transform"), before = settled.get(mark);
    if (!moved && before?.path === path) continue;
    const at = moved ? moved.match(/-?[\d.]+/g).map(Number) : before?.at;
    if (!at) continue;
    if (!shapes.has(path)) shapes.set(path, shapeOf(path));
    settled.set(mark, {at, path: shapes.get(path)(...at)});
    mark.setAttribute("d", settled.get(mark).path);
    mark.removeAttribute("transform");
  }
  for (const group of place.querySelectorAll(".scatterlayer .lines")) {
    const [first, ...others] = group.children;
    if (!others.length) continue;
    first.setAttribute("d", [first, ...others].map((it) => it.getAttribute("d")).join(""));
    for (const other of others) other.remove();
  }
}

// Return a function that moves a path of absolute commands.
function shapeOf(path) {
  const parts = path.match(/[MLHVAZ][^MLHVAZ]*/g).map((part) => [part[0], (part.slice(1).match(/-?[\d.]+/g) ?? []).map(Number)]);
  return (x, y) => parts.map(([command, numbers]) => command + numbers.map((it, index) => {
    if (command === "A") return index === 5 ? it + x : index === 6 ? it + y : it;
    return it + (command === "V" || (command !== "H" && index % 2) ? y : x);
  })).join("");
}

class PlotlyPicture {
  constructor(place, selection) {
    Object.assign(this, {place, selection});
    selection.listeners.push(() => this.highlight());
  }

  async draw(figure) {
    this.places = placesOf(figure);
    await Plotly.react(this.place, ...themed(figure), CONFIG);
    if (!this.overlay) {
      this.overlay = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      this.overlay.setAttribute("class", "marks");
      this.place.append(this.overlay);
      this.place.on("plotly_click", ({points: [point]}) => { if (point.customdata !== undefined) this.selection.toggle(point.customdata); });
      this.place.on("plotly_afterplot", () => this.placed());
    }
    this.placed();
  }

  placed() {
    settle(this.place);
    this.highlight();
  }

  // Drawn above the figure, as plotly.js would draw all of it again.
  highlight() {
    const {xaxis, yaxis} = this.place._fullLayout ?? {};
    if (!this.overlay || (!this.overlay.hasChildNodes() && !this.selection.selected.size) || !xaxis) return;
    const shape = (name, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      return element;
    };
    const at = ([x, y]) => [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)];
    const isIn = ([x, y]) => x >= xaxis._offset - 1 && x <= xaxis._offset + xaxis._length + 1 && y >= yaxis._offset - 1 && y <= yaxis._offset + yaxis._length + 1;
    const drawn = [];
    for (const id of this.selection.selected) {
      const {marks, curve} = this.places.get(id) ?? {marks: [], curve: []};
      const line = curve.map(at).filter(isIn);
      if (line.length > 1) drawn.push(shape("polyline", {points: line.join(" ")}));
      for (const [cx, cy] of marks.map(at).filter(isIn)) drawn.push(shape("circle", {cx, cy, r: 8}));
    }
    this.overlay.replaceChildren(...drawn);
  }
}

const pictures = new Map();

async function draw(figures) {
  for (const svg of document.querySelectorAll(".legend svg"))
    svg.style.color = (dark.matches && onDark[svg.dataset.colour]) || svg.dataset.colour;
  for (const element of document.querySelectorAll("figure")) {
    element.classList.add("drawn");  // first, so that the panels have a width
    for (const panel of element.querySelectorAll(".panels > div")) {
      const figure = figures[panel.id];
      if (pictures.get(panel.id)?.place !== panel) {
        const selection = selections.get(panel.closest("section")?.id) ?? new Selection();
        pictures.set(panel.id, figure.parallel ? new ParallelPicture(panel, selection) : new PlotlyPicture(panel, selection));
      }
      await pictures.get(panel.id).draw(figure.parallel ?? figure);
      await new Promise((done) => setTimeout(done));  // the table answers between two pictures
    }
  }
  document.documentElement.dataset.drawn = "all";
}

// Copy the text beside each of these buttons; a file has no clipboard of its own in some browsers.
function offerCopies() {
  for (const button of document.querySelectorAll(".copy")) {
    const text = button.nextElementSibling;
    button.hidden = false;
    button.onclick = async () => {
      getSelection().selectAllChildren(text);
      try { await navigator.clipboard.writeText(text.textContent); } catch { document.execCommand("copy"); }
      button.textContent = "copied";
    };
  }
}

const selections = new Map(), trialTables = new Map();

let figuresNow;

// Read the figures and the tables of `page`, which is this one or its next version, and fill the tables.
async function fill(page) {
  const {figures, tables} = JSON.parse(await unpacked("packed-figures", page));
  figuresNow = figures;
  for (const [id, data] of Object.entries(tables)) {
    const section = document.getElementById(id);
    if (!selections.has(id)) selections.set(id, new Selection());
    if (trialTables.has(id)) trialTables.get(id).update(data);
    else if (section.querySelector(".trials-here")) trialTables.set(id, new TrialTable(section, data, selections.get(id)));
  }
}

async function begin() {
  offerCopies();
  await fill(document);
  const script = document.createElement("script");
  script.textContent = await unpacked("packed-plotly");
  document.head.append(script);
  await draw(figuresNow);
  dark.addEventListener("change", () => draw(figuresNow));
}

const begun = begin();
begun.catch((error) => {
  console.error(error);
  for (const element of document.querySelectorAll("figure")) element.classList.remove("drawn");
});
