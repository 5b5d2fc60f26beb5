// What is selected and chosen in one study's section: shared by its table and its pictures.

class Selection {
  constructor() {
    this.selected = new Set();  // ids of trials that are highlighted everywhere
    this.ranges = new Map();  // ids that each brushed picture lets through
    this.listeners = [];
  }

  toggle(id) {
    if (!this.selected.delete(id)) this.selected.add(id);
    this.notify();
  }

  clear() {
    this.selected.clear();
    this.notify();
  }

  choose(picture, ids) {
    if (ids) this.ranges.set(picture, ids); else this.ranges.delete(picture);
    this.notify(true);
  }

  lets(id) {
    for (const ids of this.ranges.values()) if (!ids.has(id)) return false;
    return true;
  }

  notify(areRanges = false) {
    for (const listener of this.listeners) listener(areRanges);
  }
}

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
