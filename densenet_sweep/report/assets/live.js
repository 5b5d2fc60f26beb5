// Asks the server every two seconds whether the page has changed, and puts the new parts in their places.

const EVERY_MS = 2000;

// Replace the parts that differ; what was folded or unfolded stays so.
function replaceParts(next) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const other = next.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!other) continue;
    const folds = (place) => [...place.querySelectorAll("details")].map((it) => [it.querySelector("summary").textContent, it]);
    const before = new Map(folds(part).map(([name, it]) => [name, it.open]));
    for (const [name, it] of folds(other)) if (before.has(name)) it.open = before.get(name);
    part.replaceChildren(...other.childNodes);
  }
  document.title = next.title;
}

// Keep the figures that have the same panels, with new captions; take over the others.
function replacePictures(next) {
  const panels = (figure) => [...figure.querySelectorAll(".panels > div")].map((it) => it.id).join();
  for (const section of document.querySelectorAll("main > section")) {
    const place = section.querySelector(".pictures"), other = next.getElementById(section.id)?.querySelector(".pictures");
    if (!place || !other) continue;
    const before = new Map([...place.children].map((figure) => [figure.dataset.name, figure]));
    const after = [...other.children].map((figure) => {
      const old = before.get(figure.dataset.name);
      if (!old || panels(old) !== panels(figure)) return document.adoptNode(figure);
      for (const name of ["figcaption", ".legend"]) old.querySelector(name).replaceWith(figure.querySelector(name));
      const isWide = figure.classList.contains("wide");
      if (isWide !== old.classList.contains("wide")) {
        old.classList.toggle("wide", isWide);
        for (const panel of old.querySelectorAll(".js-plotly-plot")) requestAnimationFrame(() => Plotly.Plots.resize(panel));
      }
      return old;
    });
    if (after.some((figure, index) => figure !== place.children[index]) || after.length !== place.children.length) place.replaceChildren(...after);
  }
}

async function follow() {
  await begun;
  const state = document.getElementById("live");
  const version = (page) => page.querySelector("meta[name=version]").content;
  let now = version(document), updates = 0;
  state.textContent = "Follows the sweep.";
  for (;;) {
    await new Promise((done) => setTimeout(done, EVERY_MS));
    if (document.hidden) continue;
    try {
      const answer = await fetch("/", {headers: {"If-None-Match": `"${now}"`}, cache: "no-store"});
      if (answer.status === 200) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        now = version(next);
        replaceParts(next);
        replacePictures(next);
        offerCopies();
        await fill(next);
        await draw(figuresNow);
        document.documentElement.dataset.updates = ++updates;
      }
      const isStale = answer.headers.get("X-Stale") === "yes";
      state.textContent = isStale ? "The sweep cannot be read now: what you see stays as it is." : "Follows the sweep.";
    } catch (error) {
      console.error(error);
      state.textContent = "No longer served: what you see stays as it is.";
    }
  }
}

follow();
