/* Draws the figures that are seen in the page's colours, draws them anew when those change, makes them fit on paper, and
   hands out figures, tables and findings as files. */
(function () {
  "use strict";
  const root = document.documentElement;
  const notice = document.getElementById("drawing");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const MOST_ON_PAPER = 200; // figures that are unfolded for printing; of more, those that are open
  const config = { responsive: true, displayModeBar: false, showTips: false };

  function tell(words, busy) {
    notice.textContent = words;
    notice.hidden = !words;
    notice.classList.toggle("busy", Boolean(busy));
    root.classList.toggle("undrawn", Boolean(words) && !busy);
  }

  const inflated = (element) => unpacked(element).then((content) => content.text());

  /* Figures come in light colours; each names the custom property that holds it. */
  const roles = JSON.parse(document.getElementById("roles").textContent);

  function coloured(part, paint) {
    if (typeof part === "string") return Object.hasOwn(roles, part) ? paint(part) : part;
    if (Array.isArray(part)) return part.map((each) => coloured(each, paint));
    if (part === null || typeof part !== "object") return part;
    return Object.fromEntries(Object.entries(part).map(([key, each]) => [key, coloured(each, paint)]));
  }

  function onScreen() {
    const style = getComputedStyle(root);
    return (light) => style.getPropertyValue(roles[light]).trim();
  }

  const onPaper = (light) => light;

  const kinds = {}; // kind -> its figures, once inflated
  const drawn = () => document.querySelectorAll(".plot.js-plotly-plot");

  function packed(kind) {
    return document.querySelector(`.figures[data-kind="${kind}"]`);
  }

  async function figuresOf(kind) {
    kinds[kind] ??= inflated(packed(kind)).then(JSON.parse);
    const figures = await kinds[kind];
    kinds[kind].ready = figures;
    return figures;
  }

  function draw(place, paint) {
    const { data, layout } = coloured(kinds[place.dataset.kind].ready[place.dataset.figure], paint);
    return window.Plotly.react(place, data, layout, config);
  }

  function redraw(paint) {
    drawn().forEach((place) => draw(place, paint));
  }

  /* On paper a figure is a picture that scales with its column. */
  function toPaper() {
    if (document.querySelectorAll(".plot").length <= MOST_ON_PAPER) unfold();
    document.querySelectorAll(".plot:not(.js-plotly-plot)").forEach((place) => {
      if (place.getClientRects().length && kinds[place.dataset.kind]?.ready) drawOnce(place, onPaper);
    });
    if (dark.matches) redraw(onPaper);
    drawn().forEach((place) => {
      place.querySelectorAll(".main-svg").forEach((svg) => {
        svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
      });
      const { width, height } = place._fullLayout;
      place.style.setProperty("--shape", `${width} / ${height}`);
    });
  }

  function unfold() {
    document.querySelectorAll("details:not([open])").forEach((each) => {
      each.open = true;
      each.dataset.closed = "";
    });
  }

  function fromPaper() {
    if (dark.matches) redraw(onScreen());
    drawn().forEach((place) => {
      place.querySelectorAll(".main-svg").forEach((svg) => svg.removeAttribute("viewBox"));
    });
    document.querySelectorAll("details[data-closed]").forEach((each) => {
      each.open = false;
      delete each.dataset.closed;
    });
  }

  /* A figure is drawn when it comes into sight: one after the other, so that the page stays awake. */
  const waiting = [];
  let working = false;

  function drawOnce(place, paint) {
    place.replaceChildren();
    const done = draw(place, paint);
    offerFigure(place);
    return done;
  }

  async function work() {
    if (working) return;
    working = true;
    delete root.dataset.figures;
    while (waiting.length) {
      const place = waiting.shift();
      await figuresOf(place.dataset.kind);
      if (!place.classList.contains("js-plotly-plot")) await drawOnce(place, onScreen());
      await new Promise((resume) => setTimeout(resume));
    }
    working = false;
    root.dataset.figures = "drawn";
    tell("");
  }

  async function begin() {
    if (typeof DecompressionStream === "undefined") {
      tell("This browser is too old to unpack the figures (it lacks DecompressionStream). Every verdict and all tables are below.");
      return;
    }
    tell("Drawing the figures …", true);
    const library = document.createElement("script");
    library.textContent = await inflated(document.getElementById("plotly"));
    document.head.append(library);
    const seen = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        waiting.push(target);
      }
      work().catch(failed);
    }, { rootMargin: "300px 2000px" });
    document.querySelectorAll(".plot").forEach((place) => seen.observe(place));
    dark.addEventListener("change", () => redraw(onScreen()));
    window.addEventListener("beforeprint", toPaper);
    window.addEventListener("afterprint", fromPaper);
    if (document.querySelectorAll(".plot").length <= MOST_ON_PAPER) {
      // printing cannot wait for anything to be unpacked
      for (const { dataset } of document.querySelectorAll(".figures")) await figuresOf(dataset.kind);
      root.dataset.ready = "";
    }
  }

  function failed(error) {
    tell("The figures could not be drawn (" + error + "). Every verdict and all tables are below.");
    throw error;
  }

  /* Files. A figure is drawn apart, with its title and legend and on white. */
  function save(name, content, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function named(title, ending) {
    return `${title.replace(/[^\p{L}\p{N}@.]+/gu, "-").replace(/^-|-$/g, "")}.${ending}`;
  }

  function button(said, about, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = said;
    made.setAttribute("aria-label", about);
    made.addEventListener("click", act);
    return made;
  }

  async function saveFigure(place, format) {
    const { data, layout } = kinds[place.dataset.kind].ready[place.dataset.figure];
    const title = { text: place.dataset.title, x: 0, xref: "container", xanchor: "left", pad: { l: 10 }, font: { size: 13 } };
    const more = data.some((each) => each.showlegend !== false) ? 70 : 0;
    const margin = { ...layout.margin, t: (layout.margin?.t ?? 10) + 28, b: (layout.margin?.b ?? 44) + more };
    const legend = { orientation: "h", y: -0.3, yanchor: "top", x: 0 };
    const whole = { ...layout, title, margin, legend, showlegend: more > 0, height: layout.height + 28 + more, width: 640 };
    const options = { format, width: 640, height: whole.height, scale: format === "png" ? 3 : 1 };
    const url = await window.Plotly.toImage({ data, layout: whole }, options);
    const text = url.slice(url.indexOf(",") + 1);
    const content = format === "svg" ? decodeURIComponent(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    save(named(place.dataset.title, format), content, format === "svg" ? "image/svg+xml" : "image/png");
  }

  function offerFigure(place) {
    const caption = place.closest(".panel")?.querySelector("figcaption");
    if (!place.dataset.title || !caption || caption.querySelector(".files")) return;
    const files = document.createElement("span");
    files.className = "files";
    for (const format of ["svg", "png"]) {
      const about = `Save ${place.dataset.title} as ${format.toUpperCase()}`;
      files.append(button(format.toUpperCase(), about, () => saveFigure(place, format).catch(failed)));
    }
    caption.append(files);
  }

  function csv(table) {
    const quoted = (cell) => `"${cell.textContent.replace(/\s+/g, " ").trim().replace(/"/g, '""')}"`;
    return [...table.rows].map((row) => [...row.cells].map(quoted).join(",")).join("\r\n") + "\r\n";
  }

  document.querySelectorAll("table > caption").forEach((caption) => {
    const table = caption.parentElement;
    const title = caption.textContent.trim().slice(0, 60);
    const offer = button("CSV", `Save the table as CSV: ${title}`, () => save(named(title, "csv"), csv(table), "text/csv"));
    const files = document.createElement("span");
    files.className = "files";
    files.append(offer);
    caption.append(files);
  });

  document.getElementById("json")?.addEventListener("click", async () => {
    save("findings.json", await inflated(document.getElementById("findings")), "application/json");
  });

  document.querySelectorAll("[data-copy]").forEach((each) => {
    each.addEventListener("click", () => {
      // the clipboard of scripts is closed to files; a selection is not
      getSelection().selectAllChildren(document.getElementById(each.dataset.copy));
      if (document.execCommand("copy")) each.textContent = "Copied";
    });
  });

  /* Folded parts open where a link leads into them. */
  function reveal() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    const level = target.querySelector(":scope > details");
    if (level) level.open = true;
    target.scrollIntoView();
  }

  window.addEventListener("hashchange", reveal);
  document.getElementById("unfold")?.addEventListener("click", () => {
    document.querySelectorAll("details").forEach((each) => { each.open = true; });
  });

  /* The ledger: who shares a roll. */
  document.querySelectorAll("[data-roll]").forEach((cell) => {
    const alike = () => document.querySelectorAll(`[data-roll="${cell.dataset.roll}"]`);
    cell.addEventListener("pointerenter", () => alike().forEach((each) => each.classList.add("alike")));
    cell.addEventListener("pointerleave", () => alike().forEach((each) => each.classList.remove("alike")));
  });

  reveal();
  begin().catch(failed);
})();
