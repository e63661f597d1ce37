/* Searches, sorts and shows features. Numbers of all atoms lie in columns, run after run; an atom is known by its row. */
(function () {
  "use strict";
  const ROWS = 50; // of the list on one page
  const BEFORE = 10, AFTER = 4; // tokens around the one that fires
  const EXACT = 10000, UNKNOWN = -32768, COARSE = 100, UNKNOWN_COARSE = -128;
  const NONE = "–"; // what is not known
  const TYPES = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, i4: Int32Array, f4: Float32Array };
  const DASHES = ["none", "6 3", "2 2", "8 2 2 2", "1 3"];

  const byId = (id) => document.getElementById(id);
  const form = byId("controls");
  const state = { recipe: 0, run: 0, kind: "any", query: "", sort: "back", descending: true, page: 0, row: -1 };
  const recipes = [];
  let heldout = { texts: [], windows: [] };
  let rows = new Int32Array(0); // of the list, filtered and sorted

  /* Words and elements. Text is only ever set as text. */
  function made(tag, about = {}, ...inside) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(about)) {
      if (name === "class") element.className = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...inside.filter((each) => each !== null));
    return element;
  }

  function drawn(tag, about, ...inside) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(about)) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  }

  const rounded = (number) => number.toFixed(2).replace(/^(-?)0\./, "$1.");
  const exact = (scaled) => (scaled === UNKNOWN ? NONE : rounded(scaled / EXACT));
  const whole = (number) => number.toLocaleString("en");
  const share = (number) => Number.isNaN(number) ? NONE : (number >= 0.1 ? `${(100 * number).toFixed(0)} %` : `${Number((100 * number).toPrecision(2))} %`);
  const letter = (run) => String.fromCharCode(65 + (run % 26)) + (run < 26 ? "" : Math.floor(run / 26));

  /* Recipes */
  const here = () => recipes[state.recipe];
  const column = (name) => here().columns[name];

  function columnsOf(buffer, places, count) {
    const found = {};
    for (const { name, type, entries, at } of places) {
      const Kind = TYPES[type];
      found[name] = new Kind(buffer.slice(at, at + count * entries * Kind.BYTES_PER_ELEMENT));
    }
    return found;
  }

  async function unpackedRecipe(about, numbers, along) {
    const told = JSON.parse(about.textContent);
    const first = [0];
    for (const size of told.sizes) first.push(first[first.length - 1] + size);
    const count = first[first.length - 1];
    const buffer = await (await unpacked(numbers)).arrayBuffer();
    return { ...told, places: told.along, first, count, columns: columnsOf(buffer, told.numbers, count), packed: along };
  }

  async function courses(recipe) {
    if (!recipe.places.length) return null;
    recipe.courses ??= unpacked(recipe.packed)
      .then((content) => content.arrayBuffer())
      .then((buffer) => columnsOf(buffer, recipe.places, recipe.count));
    return recipe.courses;
  }

  function runOf(row) {
    let run = 0;
    while (row >= here().first[run + 1]) run += 1;
    return run;
  }

  const atomOf = (row) => row - here().first[runOf(row)];
  const othersOf = (run) => here().runs.map((_, other) => other).filter((other) => other !== run);

  /* What features fire on */
  const contexts = new Map(); // token -> what stands around it, in small letters

  function around(token) {
    const { texts, windows } = heldout;
    let first = token, last = token;
    while (first > Math.max(0, token - BEFORE) && windows[first - 1] === windows[token]) first -= 1;
    while (last < Math.min(texts.length - 1, token + AFTER) && windows[last + 1] === windows[token]) last += 1;
    const told = (from, to) => texts.slice(from, to).join("").replace(/\s+/g, " ");
    return [told(first, token), texts[token], told(token + 1, last + 1)];
  }

  function context(token) {
    if (!contexts.has(token)) contexts.set(token, around(token).join("").replace(/\s+/g, " ").toLowerCase());
    return contexts.get(token);
  }

  const word = (token) => heldout.texts[token].trim() || "␣";

  function strongest(row) {
    const places = column("strongest");
    if (!places) return [];
    const from = row * here().strongest;
    return [...places.subarray(from, from + here().strongest)].filter((token) => token >= 0);
  }

  /* The list */
  const COLUMNS = [
    { name: "atom", said: "feature", about: "its number in this run" },
    { name: "back", said: "comes back", about: "in how many of the other runs" },
    { name: "cosine", said: "cosine", about: "mean cosine with its partners in the other runs" },
    { name: "code", said: "codes", about: "mean correlation of its codes with those of its partners" },
    { name: "fired", said: "fires", about: "on how many held-out tokens" },
    { name: "crowding", said: "crowding", about: "the cosine of its nearest neighbour in its own run" },
    { name: "block", said: "block", about: "atoms of the smallest set whose span comes back; 1 for itself" },
  ];

  const shownColumns = () => COLUMNS.filter(({ name }) => name === "atom" || column(name));

  function kept(row) {
    const { kind } = state;
    const back = column("back")[row], others = here().runs.length - 1;
    const fires = column("fired") ? column("fired")[row] > 0 : true;
    if (kind === "all") return back === others;
    if (kind === "some") return back > 0 && back < others;
    if (kind === "none") return back === 0 && fires;
    if (kind === "dead") return !fires;
    return true;
  }

  function searched() {
    const query = state.query.trim().toLowerCase().replace(/\s+/g, " ");
    if (!query) return () => true;
    const number = /^#?\d+$/.test(query) ? Number(query.replace("#", "")) : -1;
    const found = new Map();
    const hit = (token) => {
      if (!found.has(token)) found.set(token, context(token).includes(query));
      return found.get(token);
    };
    const first = here().first[state.run];
    return (row) => row - first === number || strongest(row).some(hit);
  }

  function list() {
    const { first } = here();
    const matches = searched();
    const found = [];
    for (let row = first[state.run]; row < first[state.run + 1]; row += 1) if (kept(row) && matches(row)) found.push(row);
    const by = state.sort === "atom" ? null : column(state.sort);
    const turn = state.descending ? -1 : 1;
    const busy = column("fired") ?? column("cosine");
    if (by) found.sort((a, b) => turn * (by[a] - by[b]) || busy[b] - busy[a] || a - b);
    else if (state.descending) found.reverse();
    rows = Int32Array.from(found);
  }

  function header() {
    const cells = shownColumns().map(({ name, said, about }) => {
      const order = state.sort !== name ? "none" : state.descending ? "descending" : "ascending";
      const sort = made("button", { type: "button", title: about, "data-sort": name, onclick: () => sortBy(name) }, said);
      return made("th", { scope: "col", "aria-sort": order, class: name === "atom" || name === "back" ? "" : "number" }, sort);
    });
    if (column("strongest")) cells.push(made("th", { scope: "col" }, "fires on"));
    byId("features").tHead.replaceChildren(made("tr", {}, ...cells));
  }

  function sortBy(name) {
    state.descending = state.sort === name ? !state.descending : name !== "atom";
    state.sort = name;
    state.page = 0;
    renew();
    document.querySelector(`[data-sort="${name}"]`).focus();
  }

  function cell(row, name, said) {
    if (name === "back") {
      const back = column("back")[row], others = here().runs.length - 1;
      const dots = made("span", { class: "dots", "aria-hidden": "true" }, "●".repeat(back) + "○".repeat(others - back));
      return made("td", {}, dots, ` ${back} of ${others}`);
    }
    const value = column(name)[row];
    const told = name === "fired" || name === "block" ? whole(value) : exact(value);
    return made("td", { class: `number ${name}`, "data-said": said }, told);
  }

  function line(row) {
    const atom = atomOf(row);
    const open = made("button", { type: "button", class: "index", "aria-label": `Feature ${atom}` }, whole(atom));
    const cells = shownColumns().slice(1).map(({ name, said }) => cell(row, name, said));
    if (column("strongest")) {
      const words = strongest(row).slice(0, 4).map((token) => made("span", { class: "token" }, word(token)));
      cells.push(made("td", { class: "fires", dir: "auto" }, ...(words.length ? words : [NONE])));
    }
    const about = { "data-row": row, class: row === state.row ? "chosen" : "", onclick: () => choose(row, true) };
    return made("tr", about, made("th", { scope: "row" }, open), ...cells);
  }

  function body() {
    const from = state.page * ROWS;
    const shown = rows.subarray(from, from + ROWS);
    byId("features").tBodies[0].replaceChildren(...Array.from(shown, line));
    const last = Math.max(0, Math.ceil(rows.length / ROWS) - 1);
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page >= last;
    byId("place").textContent = rows.length ? `${whole(from + 1)} to ${whole(from + shown.length)} of ${whole(rows.length)}` : "";
    const all = here().sizes[state.run];
    byId("count").textContent = rows.length === all
      ? `${whole(all)} features of run ${letter(state.run)}, ${here().runs[state.run]}`
      : `${whole(rows.length)} of ${whole(all)} features of run ${letter(state.run)}, ${here().runs[state.run]}`;
  }

  function renew() {
    list();
    header();
    body();
  }

  function turn(pages) {
    const last = Math.max(0, Math.ceil(rows.length / ROWS) - 1);
    const page = Math.min(last, Math.max(0, state.page + pages));
    if (page === state.page) return;
    state.page = page;
    body();
  }

  /* The page of the list that has a feature; the first where it has none. */
  function toPageOf(row) {
    state.page = Math.floor(Math.max(0, rows.indexOf(row)) / ROWS);
    body();
  }

  /* One feature */
  const runName = (run) => `run ${letter(run)}`;

  function answer(row) {
    const recipe = here();
    const back = column("back")[row], others = recipe.runs.length - 1;
    const [low, high] = recipe.intervals[back];
    const interval = others > 1 ? ` [${rounded(low)}, ${rounded(high)}]` : "";
    const codes = recipe.code === null ? "" : ` and codes that correlate at least ${rounded(recipe.code)}`;
    const most = recipe.atMost ? "at most " : "";
    const chance = recipe.expected === null ? "" : ` Among ${recipe.null} ${most}${share(recipe.expected)} of matched atoms do.`;
    return `Comes back in ${back} of ${others} other run${others > 1 ? "s" : ""}${interval}: one to one, with a cosine of at ` +
      `least ${rounded(recipe.cosine)}${codes}.${chance}`;
  }

  function jump(run, atom, said) {
    const row = here().first[run] + atom;
    return made("button", { type: "button", onclick: () => visit(row) }, said);
  }

  function visit(row) {
    if (runOf(row) !== state.run) {
      state.run = runOf(row);
      form.run.value = state.run;
      renew();
    }
    toPageOf(row);
    choose(row, true);
  }

  function facts(row) {
    const run = runOf(row), told = [];
    const add = (said, ...value) => told.push(made("div", {}, made("dt", {}, said), made("dd", {}, ...value)));
    if (column("fired")) add("fires on", `${whole(column("fired")[row])} tokens, ${share(column("fired")[row] / here().tokens)}`);
    if (column("mass")) add("share of firing mass", share(column("mass")[row]));
    add("nearest neighbour", jump(run, column("neighbour")[row], whole(column("neighbour")[row])), ` ${exact(column("crowding")[row])}`);
    add("any within the threshold", `in ${column("any")[row]} of ${here().runs.length - 1} runs`);
    add("norm", Number(column("norm")[row].toPrecision(3)).toString());
    if (column("block")) add("block", column("block")[row] ? `of ${column("block")[row]}` : "none");
    return made("dl", { class: "about-feature" }, ...told);
  }

  function histogram(row) {
    const { bins } = here();
    const counts = column("histogram")?.subarray(row * bins, (row + 1) * bins);
    if (!counts || !column("fired")[row]) return null;
    const largest = Number(column("largest")[row].toPrecision(2));
    const tallest = Math.log1p(Math.max(...counts));
    const bars = Array.from(counts, (count, bin) => {
      const height = 34 * Math.log1p(count) / tallest;
      const bar = drawn("rect", { x: bin * 15 + 1, width: 13, y: 36 - height, height });
      bar.append(drawn("title", {}, `${whole(count)} tokens`));
      return bar;
    });
    const ends = [drawn("text", { x: 0, y: 49 }, "0"), drawn("text", { x: 240, y: 49, "text-anchor": "end" }, String(largest))];
    const said = `How strongly it fires: activations from 0 to ${largest}, counts on a log scale`;
    return drawn("svg", { class: "histogram", viewBox: "0 0 240 52", role: "img", "aria-label": said }, ...bars, ...ends);
  }

  function texts(row) {
    const reached = column("reached");
    const lines = strongest(row).map((token, place) => {
      const [before, at, after] = around(token);
      const mark = made("mark", {}, at.trim() || "␣");
      mark.style.setProperty("--reached", reached[row * here().strongest + place] / 255);
      return made("li", { dir: "auto" }, before + at.slice(0, at.length - at.trimStart().length).replace(/\s+/g, " "), mark,
        at.trim() ? at.slice(at.trimEnd().length).replace(/\s+/g, " ") : "", after);
    });
    return lines.length ? made("ol", { "aria-label": "What it fires on, the strongest first" }, ...lines) : null;
  }

  function itself(row) {
    const title = made("h4", {}, `${runName(runOf(row))}, ${whole(atomOf(row))}`, made("span", {}, "itself"));
    return card("", title, row);
  }

  function partner(row, other, place) {
    const at = row * (here().runs.length - 1) + place;
    const atom = column("partner.atom")[at];
    if (atom < 0) return made("div", { class: "card" }, made("h4", {}, runName(other)), made("p", {}, "No partner: this run has fewer atoms."));
    const back = column("partner.back")[at] === 1;
    const title = made("h4", {}, jump(other, atom, `${runName(other)}, ${whole(atom)}`), made("span", {}, back ? "comes back" : "does not"));
    const numbers = [`cosine ${exact(column("partner.cosine")[at])}`];
    for (const [name, said] of [["encoder", "encoder"], ["code", "codes"]]) {
      const value = column(`partner.${name}`)[at];
      if (value !== UNKNOWN) numbers.push(`${said} ${exact(value)}`);
    }
    const rank = column("partner.rank")[at];
    numbers.push(rank === 1 ? "the nearest there" : `${whole(rank - 1)} nearer there`);
    return card(back ? "comes-back" : "does-not", title, here().first[other] + atom, numbers.join(" · "));
  }

  function card(kind, title, row, numbers = "") {
    const fires = column("fired") ? made("p", { class: "numbers" }, `fires on ${whole(column("fired")[row])} tokens`) : null;
    const told = numbers ? made("p", { class: "numbers" }, numbers) : null;
    return made("div", { class: `card ${kind}` }, title, told, fires, histogram(row), texts(row));
  }

  async function course(row) {
    const recipe = here(), others = othersOf(runOf(row));
    const found = await courses(recipe);
    if (!found) return null;
    const { steps } = recipe;
    const lines = [{ said: "itself at the end", values: found.own.subarray(row * steps.length, (row + 1) * steps.length), kind: "itself", dash: "none" }];
    others.forEach((other, place) => {
      const from = (row * others.length + place) * steps.length;
      lines.push({ said: `its partner in ${runName(other)}`, values: found.met.subarray(from, from + steps.length), kind: "partner", dash: DASHES[place % DASHES.length] });
    });
    return made("div", {}, made("h3", {}, "Cosine along training, step by step"), plot(steps, lines), legend(lines), stepTable(steps, lines));
  }

  function plot(steps, lines) {
    const low = Math.min(0, ...lines.flatMap(({ values }) => [...values].filter((each) => each !== UNKNOWN_COARSE))) / COARSE;
    const end = Math.log1p(steps[steps.length - 1]);
    const x = (step) => 34 + 440 * Math.log1p(step) / end;
    const y = (value) => 10 + 150 * (1 - value) / (1 - low);
    const grid = [0, 0.5, 1].flatMap((value) => [
      drawn("line", { x1: 34, x2: 474, y1: y(value), y2: y(value) }),
      drawn("text", { x: 28, y: y(value) + 4, "text-anchor": "end" }, rounded(value)),
    ]);
    const ticks = [steps[0], ...steps.filter((step) => /^[1-9]0*$/.test(step)), steps[steps.length - 1]];
    const marks = ticks.filter((step, i) => i === ticks.length - 1 || x(ticks[ticks.length - 1]) - x(step) > 40)
      .map((step) => drawn("text", { x: x(step), y: 178, "text-anchor": "middle" }, whole(step)));
    const curves = lines.map(({ values, kind, dash }) => {
      const points = steps.map((step, i) => [step, values[i]]).filter(([, value]) => value !== UNKNOWN_COARSE)
        .map(([step, value]) => `${x(step).toFixed(1)},${y(value / COARSE).toFixed(1)}`);
      return drawn("polyline", { class: kind, points: points.join(" "), style: `--dash: ${dash}` });
    });
    const said = lines.map(({ said, values }) => `${said}: from ${coarse(values[0])} to ${coarse(values[values.length - 1])}`);
    const about = `Cosine at each step, with ${said.join("; ")}`;
    return drawn("svg", { class: "course", viewBox: "0 0 490 184", role: "img", "aria-label": about }, ...grid, ...marks, ...curves);
  }

  const coarse = (value) => (value === UNKNOWN_COARSE ? NONE : rounded(value / COARSE));

  function legend(lines) {
    const said = lines.map(({ said, kind, dash }) => {
      const stroke = drawn("polyline", { class: kind, points: "0,6 24,6", style: `--dash: ${dash}` });
      return made("li", {}, drawn("svg", { class: "course", viewBox: "0 0 24 12", style: "display:inline;width:24px;margin:0", "aria-hidden": "true" }, stroke), ` ${said}`);
    });
    return made("ul", { class: "key", "aria-label": "Cosine with" }, ...said);
  }

  function stepTable(steps, lines) {
    const head = made("tr", {}, made("th", { scope: "col" }, "step"), ...lines.map(({ said }) => made("th", { scope: "col", class: "number" }, said)));
    const bodyRows = steps.map((step, i) => made("tr", {}, made("th", { scope: "row" }, whole(step)), ...lines.map(({ values }) => made("td", { class: "number" }, coarse(values[i])))));
    const inside = made("table", {}, made("caption", {}, "Cosine of this feature, at each step"), made("thead", {}, head), made("tbody", {}, ...bodyRows));
    const about = { class: "scroll", tabindex: "0", role: "region", "aria-label": "Cosines along training" };
    return made("details", {}, made("summary", {}, "As a table"), made("div", about, inside));
  }

  let showing = 0; // which feature is the last that was asked for: a chart that comes later is not shown

  async function show(row) {
    showing += 1;
    const ticket = showing, run = runOf(row);
    const title = made("h2", { id: "feature-title", dir: "auto" }, `Feature ${whole(atomOf(row))} of ${runName(run)}, ${here().runs[run]}`);
    const cards = [itself(row), ...othersOf(run).map((other, place) => partner(row, other, place))];
    const names = here().runs.map((each, other) => `${letter(other)} ${each}`).join(" · ");
    byId("shown").replaceChildren(title, made("p", { class: "answer" }, answer(row)), facts(row),
      made("h3", {}, "Its partners in the other runs"), made("div", { class: "cards" }, ...cards), made("p", { class: "note", dir: "auto" }, names));
    const along = await course(row);
    if (along && ticket === showing) byId("shown").querySelector(".cards").after(along);
  }

  /* Browsers refuse when too many addresses come at once, as from a key that is held: then the page has the one before. */
  function keep(how, kept, place) {
    try {
      history[how](kept, "", place);
    } catch {
      // the feature is shown all the same
    }
  }

  function showNothing() {
    showing += 1;
    byId("shown").replaceChildren();
    closeFeature();
    keep("replaceState", history.state, location.pathname + location.search);
  }

  async function choose(row, opened) {
    state.row = row;
    document.querySelectorAll("#features tr.chosen").forEach((each) => each.classList.remove("chosen"));
    document.querySelector(`#features tr[data-row="${row}"]`)?.classList.add("chosen");
    const place = `#${state.recipe}/${runOf(row)}/${atomOf(row)}`;
    if (opened && !byId("browser").classList.contains("opened")) keep("pushState", { opened: true }, place);
    else keep("replaceState", history.state ?? { opened: false }, place);
    if (opened) openFeature();
    await show(row);
    byId("feature").scrollTop = 0;
  }

  const narrow = window.matchMedia("(max-width: 60rem)");

  function openFeature() {
    document.querySelector("main").classList.add("opened");
    byId("browser").classList.add("opened");
    if (narrow.matches) {
      byId("feature").focus({ preventScroll: true });
      byId("browser").scrollIntoView();
    }
  }

  function closeFeature() {
    document.querySelector("main").classList.remove("opened");
    byId("browser").classList.remove("opened");
    document.querySelector(`#features tr[data-row="${state.row}"] .index`)?.focus();
  }

  /* A link names a feature: #recipe/run/atom. */
  function followed() {
    const [recipe, run, atom] = (location.hash.match(/^#(\d+)\/(\d+)\/(\d+)$/) ?? []).slice(1).map(Number);
    if (!(recipes[recipe]?.sizes[run] > atom)) return false;
    if (recipe !== state.recipe || run !== state.run) chooseRecipe(recipe, run);
    const row = here().first[run] + atom;
    toPageOf(row);
    choose(row, false);
    openFeature();
    return true;
  }

  function chooseRecipe(recipe, run = 0) {
    Object.assign(state, { recipe, run, page: 0, row: -1 });
    form.recipe.value = recipe;
    form.run.replaceChildren(...here().runs.map((name, i) => made("option", { value: i }, `${letter(i)} ${name}`)));
    form.run.value = run;
    document.querySelectorAll(".recipe").forEach((each) => { each.hidden = Number(each.dataset.recipe) !== recipe; });
    if (state.sort !== "atom" && !column(state.sort)) state.sort = "back";
    renew();
    if (rows.length) choose(rows[0], false);
    else showNothing();
  }

  function step(down) {
    const place = rows.indexOf(state.row);
    const next = Math.min(rows.length - 1, Math.max(0, place + down));
    if (!rows.length) return;
    if (Math.floor(next / ROWS) !== state.page) toPageOf(rows[next]);
    choose(rows[next], false);
    document.querySelector(`#features tr[data-row="${rows[next]}"] .index`).focus();
  }

  function keyed(event) {
    const typing = event.target.closest("input, select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && byId("browser").classList.contains("opened") && narrow.matches) byId("back").click();
    else if (typing && event.key === "ArrowDown" && event.target.name === "query") step(0);
    else if (typing) return;
    else if (event.key === "/") form.query.focus();
    else if (event.target.closest("#feature, .scroll, summary")) return;
    else if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if (event.key === "ArrowRight") turn(1);
    else if (event.key === "ArrowLeft") turn(-1);
    else return;
    event.preventDefault();
  }

  function listen() {
    form.addEventListener("submit", (event) => event.preventDefault());
    form.recipe.addEventListener("change", () => chooseRecipe(Number(form.recipe.value)));
    form.run.addEventListener("change", () => chooseRecipe(state.recipe, Number(form.run.value)));
    form.kind.addEventListener("change", () => { state.kind = form.kind.value; state.page = 0; renew(); });
    let waiting = 0;
    form.query.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { state.query = form.query.value; state.page = 0; renew(); }, 120);
    });
    byId("previous").addEventListener("click", () => turn(-1));
    byId("next").addEventListener("click", () => turn(1));
    byId("back").addEventListener("click", () => (history.state?.opened ? history.back() : closeFeature()));
    window.addEventListener("popstate", ({ state: kept }) => (kept?.opened === false ? closeFeature() : followed()));
    document.addEventListener("keydown", keyed);
  }

  function tell(words) {
    byId("telling").textContent = words;
    byId("telling").hidden = !words;
  }

  async function begin() {
    if (typeof DecompressionStream === "undefined") {
      tell("This browser is too old to unpack the features (it lacks DecompressionStream).");
      return;
    }
    const of = (kind) => [...document.querySelectorAll(`script.${kind}`)];
    const [about, numbers, along] = ["about", "numbers", "along"].map(of);
    heldout = await (await unpacked(byId("texts"))).json();
    for (let i = 0; i < about.length; i += 1) recipes.push(await unpackedRecipe(about[i], numbers[i], along[i]));
    byId("recipes").hidden = recipes.length < 2;
    form.hidden = byId("browser").hidden = false;
    listen();
    const asked = location.hash;
    chooseRecipe(0);
    if (asked) {
      keep("replaceState", null, asked);
      followed();
    }
    tell("");
    document.documentElement.dataset.ready = "";
  }

  begin().catch((error) => {
    tell(`The features could not be shown (${error}).`);
    throw error;
  });
})();
