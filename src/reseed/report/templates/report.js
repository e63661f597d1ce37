/* Draws the figures in the page's colours, draws them anew when those change, and makes them fit on paper. */
(function () {
  "use strict";
  const root = document.documentElement;
  const notice = document.getElementById("drawing");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const config = { responsive: true, displayModeBar: false, showTips: false };

  function tell(words, busy) {
    notice.textContent = words;
    notice.hidden = !words;
    notice.classList.toggle("busy", Boolean(busy));
    root.classList.toggle("undrawn", Boolean(words) && !busy);
  }

  async function inflated(id) {
    const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

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

  let figures = [];
  const drawn = () => document.querySelectorAll(".plot.js-plotly-plot");

  function draw(place, paint) {
    const { data, layout } = coloured(figures[place.dataset.figure], paint);
    return window.Plotly.react(place, data, layout, config);
  }

  function redraw(paint) {
    drawn().forEach((place) => draw(place, paint));
  }

  /* On paper a figure is a picture that scales with its column. */
  function toPaper() {
    if (dark.matches) redraw(onPaper);
    drawn().forEach((place) => {
      place.querySelectorAll(".main-svg").forEach((svg) => {
        svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
      });
      const { width, height } = place._fullLayout;
      place.style.setProperty("--shape", `${width} / ${height}`);
    });
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

  async function drawAll() {
    if (typeof DecompressionStream === "undefined") {
      tell("This browser is too old to unpack the figures (it lacks DecompressionStream). Every verdict and all tables are below.");
      return;
    }
    tell("Drawing the figures …", true);
    const library = document.createElement("script");
    library.textContent = await inflated("plotly");
    document.head.append(library);
    figures = JSON.parse(await inflated("figures"));
    for (const place of document.querySelectorAll(".plot")) {
      place.replaceChildren();
      await draw(place, onScreen());
      await new Promise((resume) => setTimeout(resume));
    }
    tell("");
    dark.addEventListener("change", () => redraw(onScreen()));
    window.addEventListener("beforeprint", toPaper);
    window.addEventListener("afterprint", fromPaper);
    root.dataset.figures = "drawn";
  }

  /* The ledger: who shares a roll. */
  document.querySelectorAll("[data-roll]").forEach((cell) => {
    const alike = () => document.querySelectorAll(`[data-roll="${cell.dataset.roll}"]`);
    cell.addEventListener("pointerenter", () => alike().forEach((each) => each.classList.add("alike")));
    cell.addEventListener("pointerleave", () => alike().forEach((each) => each.classList.remove("alike")));
  });

  drawAll().catch((error) => {
    tell("The figures could not be drawn (" + error + "). Every verdict and all tables are below.");
    throw error;
  });
})();
