// The table of a study's trials: sorted, filtered, with columns that can be hidden, and selected trials side by side.

const SHOWN_AT_ONCE = 50;
const MOST_BESIDE = 6;
const LONG = 30;  // letters of a text that a cell may cut
const IN_ORDER = new Intl.Collator("en", {numeric: true}).compare;

// Return whether a number passes ">= 0.9", "< 3", "0.1..0.5" or "16"; null if the text is none of these.
function rangeTest(text) {
  const number = "([-+]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:e[-+]?[0-9]+)?)";
  let found = text.match(new RegExp(`^\\s*(<=|>=|<|>|=|≤|≥)?\\s*${number}\\s*$`, "i"));
  if (found) {
    const limit = Number(found[2]);
    return {
      "<": (it) => it < limit, ">": (it) => it > limit,
      "<=": (it) => it <= limit, "≤": (it) => it <= limit, ">=": (it) => it >= limit, "≥": (it) => it >= limit,
    }[found[1]] || ((it) => it === limit);
  }
  found = text.match(new RegExp(`^\\s*${number}?\\s*(?:\\.\\.|–)\\s*${number}?\\s*$`, "i"));
  if (!found || (!found[1] && !found[2])) return null;
  const [low, high] = [found[1] ? Number(found[1]) : -Infinity, found[2] ? Number(found[2]) : Infinity];
  return (it) => it >= low && it <= high;
}

class TrialTable {
  constructor(section, data, selection) {
    Object.assign(this, {data, selection, sorted: null, limit: data.top, filters: new Map(), hidden: new Set(), words: "", lines: new Map()});
    this.body = made("tbody");
    this.head = made("thead");
    this.count = made("span", {className: "quiet"});
    this.more = made("button", {type: "button", onclick: () => { this.limit += SHOWN_AT_ONCE; this.show(); }});
    this.none = made("button", {type: "button", textContent: "clear selection", onclick: () => selection.clear()});
    this.beside = made("div", {className: "scroll beside"});
    const search = made("input", {type: "search", placeholder: "search trials", ariaLabel: "search trials"});
    search.oninput = () => { this.words = search.value.toLowerCase(); this.show(); };
    this.menu = made("div");
    const place = section.querySelector(".trials-here");
    const controls = made("div", {className: "controls"}, search, made("details", {}, made("summary", {textContent: "columns"}), this.menu), this.count, this.none);
    const table = made("table", {className: "trials"}, this.head, this.body);
    place.replaceChildren(controls, made("div", {className: "scroll"}, table), this.more, this.beside);
    this.choices();
    this.header();
    selection.listeners.push((areRanges) => areRanges ? this.show() : this.mark());
    this.show();
  }

  // Take new rows; what was sorted, filtered and hidden stays, by the names of the columns.
  update(data) {
    const before = this.data.columns.map((column) => column.label), now = data.columns.map((column) => column.label);
    const moved = (index) => now.indexOf(before[index]);
    this.data = data;
    this.lines.clear();
    if (before.join("\n") !== now.join("\n")) {
      this.filters = new Map([...this.filters].map(([index, filter]) => [moved(index), filter]).filter(([index]) => index >= 0));
      this.hidden = new Set([...this.hidden].map(moved).filter((index) => index >= 0));
      if (this.sorted) this.sorted = moved(this.sorted.index) < 0 ? null : {...this.sorted, index: moved(this.sorted.index)};
      this.choices();
      this.header();
    } else if (!this.head.contains(document.activeElement)) {
      this.header();
    }
    this.show();
  }

  // The menu that hides columns.
  choices() {
    this.menu.replaceChildren(...this.data.columns.map((column, index) => {
      const box = made("input", {type: "checkbox", checked: !this.hidden.has(index)});
      box.onchange = () => {
        if (box.checked) this.hidden.delete(index); else { this.hidden.add(index); this.filters.delete(index); }
        this.lines.clear();
        this.header();
        this.show();
      };
      return made("label", {}, box, ` ${column.title || column.label}`);
    }));
  }

  columns() {
    return this.data.columns.map((column, index) => ({...column, index})).filter((column) => !this.hidden.has(column.index));
  }

  header() {
    const names = made("tr"), filters = made("tr", {className: "filters"});
    for (const column of this.columns()) {
      const sort = made("button", {type: "button", textContent: column.label, title: column.title});
      sort.onclick = () => {
        const down = this.sorted?.index === column.index ? !this.sorted.down : column.kind === "number" && column.index > 0;
        this.sorted = {index: column.index, down};
        this.header();
        this.show();
      };
      const cell = made("th", {className: column.kind === "number" ? "" : "text"}, sort);
      if (this.sorted?.index === column.index) cell.ariaSort = this.sorted.down ? "descending" : "ascending";
      names.append(cell);
      filters.append(made("th", {}, this.filterOf(column)));
    }
    const fields = () => [...this.head.querySelectorAll("button, input, select")];
    const focused = fields().indexOf(document.activeElement);
    this.head.replaceChildren(names, filters);
    if (focused >= 0) fields()[focused]?.focus();  // whoever sorts by keyboard stays there
  }

  filterOf(column) {
    if (column.kind === "link") return "";
    const given = this.filters.get(column.index)?.text ?? "";
    let field;
    if (column.kind === "choice") {
      const values = [...new Set(this.data.rows.map((row) => row.values[column.index]).filter((it) => it !== null).map(String))].sort(IN_ORDER);
      field = made("select", {}, made("option", {value: "", textContent: "all"}), ...values.map((value) => made("option", {value, textContent: value})));
    } else {
      field = made("input", {placeholder: column.kind === "number" ? "≥ or a..b" : "has"});
    }
    field.ariaLabel = `filter ${column.label}`;
    field.value = given;
    field.oninput = () => {
      const text = field.value;
      const test = column.kind === "number" ? rangeTest(text) : null;
      field.ariaInvalid = String(Boolean(text) && column.kind === "number" && !test);
      if (!text || (column.kind === "number" && !test)) this.filters.delete(column.index);
      else this.filters.set(column.index, {text, test: column.kind === "number" ? test : column.kind === "choice"
        ? (it) => String(it) === text : (it) => String(it).toLowerCase().includes(text.toLowerCase())});
      this.show();
    };
    return field;
  }

  rows() {
    let rows = this.data.rows.filter((row) => this.selection.lets(row.id));
    for (const [index, {test}] of this.filters) rows = rows.filter((row) => row.values[index] !== null && test(row.values[index]));
    if (this.words) rows = rows.filter((row) => row.texts.some((text) => text.toLowerCase().includes(this.words)));
    if (this.sorted) {
      const {index, down} = this.sorted;
      const order = (one, other) => {
        const [a, b] = [one.values[index], other.values[index]];
        if (a === null || b === null) return (a === null) - (b === null);
        return (down ? -1 : 1) * (typeof a === "number" && typeof b === "number" ? a - b : IN_ORDER(String(a), String(b)));
      };
      rows = [...rows].sort(order);
    }
    return rows;
  }

  show() {
    const rows = this.rows(), columns = this.columns(), shown = rows.slice(0, this.limit);
    const focused = this.body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.id : null;
    let next = shown.findIndex((row, index) => !this.lines.has(row.id) || this.lines.get(row.id) !== this.body.children[index]);
    if (next < 0) next = shown.length;
    while (this.body.children.length > next) this.body.lastChild.remove();
    // So many in each frame.
    const append = () => {
      this.body.append(...shown.slice(next, next += SHOWN_AT_ONCE).map((row) => this.lineOf(row, columns)));
      this.markLines();
      if (focused !== null && document.activeElement === document.body) this.body.querySelector(`[data-id="${focused}"]`)?.focus({preventScroll: true});
      if (next < shown.length) this.waiting = requestAnimationFrame(append);
    };
    cancelAnimationFrame(this.waiting);
    append();
    const all = this.data.rows.length;
    this.count.textContent = rows.length === all ? `${all.toLocaleString("en")} in all` : `${rows.length.toLocaleString("en")} of ${all.toLocaleString("en")}`;
    this.more.hidden = rows.length <= this.limit;
    this.more.textContent = `show ${Math.min(SHOWN_AT_ONCE, rows.length - this.limit)} more`;
    this.mark();
  }

  // Return the line of a trial, which is made once.
  lineOf(row, columns) {
    if (this.lines.has(row.id)) return this.lines.get(row.id);
    const line = made("tr", {className: row.complete ? "" : "other", tabIndex: 0});
    line.dataset.id = row.id;
    line.onclick = (event) => { if (event.target.tagName !== "A") this.selection.toggle(row.id); };
    line.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); this.selection.toggle(row.id); } };
    for (const {index, kind} of columns) {
      const text = row.texts[index];
      const cell = made("td", {textContent: text});
      if (kind !== "number") cell.className = "text";
      if (text.length > LONG) cell.title = text;
      if (kind === "link" && row.values[index]) cell.replaceChildren(made("a", {href: row.values[index], textContent: row.texts[index], target: "_blank", rel: "noopener"}));
      line.append(cell);
    }
    this.lines.set(row.id, line);
    return line;
  }

  markLines() {
    for (const line of this.body.children) {
      const isSelected = String(this.selection.selected.has(Number(line.dataset.id)));
      if (line.ariaSelected !== isSelected) line.ariaSelected = isSelected;
    }
  }

  // Show what is selected.
  mark() {
    this.markLines();
    this.none.hidden = this.selection.selected.size === 0;
    this.compare();
  }

  // The selected trials side by side: what differs between them first, in bold.
  compare() {
    const chosen = this.data.rows.filter((row) => this.selection.selected.has(row.id)).slice(0, MOST_BESIDE);
    if (chosen.length === 0) return this.beside.replaceChildren();
    const lines = this.data.columns.map((column, index) => ({column, texts: chosen.map((row) => row.texts[index])})).slice(1)
      .filter(({column}) => column.kind !== "link").map((line) => ({...line, differs: new Set(line.texts).size > 1}));
    lines.sort((one, other) => other.differs - one.differs);
    const head = made("tr", {}, made("th", {textContent: ""}), ...chosen.map((row) => made("th", {textContent: `trial ${row.texts[0]}`})));
    const body = lines.map(({column, texts, differs}) => made("tr", {className: differs && chosen.length > 1 ? "differs" : ""},
      made("td", {textContent: column.title || column.label}), ...texts.map((text) => made("td", {textContent: text}))));
    const left = this.selection.selected.size - chosen.length;
    const title = chosen.length > 1 ? "Selected trials: differences first" : "Selected trial";
    this.beside.replaceChildren(made("h3", {textContent: left > 0 ? `${title} (${left} more selected)` : title}),
      made("table", {className: "names"}, made("thead", {}, head), made("tbody", {}, ...body)));
  }
}
