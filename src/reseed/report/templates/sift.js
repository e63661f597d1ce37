/* Filters, groups and sorts conditions, in every list, table and row of panels at once. */
(function () {
  "use strict";
  const form = document.getElementById("sift");
  if (!form) return;
  const conditions = JSON.parse(document.getElementById("conditions").textContent);
  const tally = document.getElementById("tally");
  const GROUPS = ["outcome", "method", "start", "preprocess"];
  const sorting = { by: "", descending: false };

  /* A list: its items by condition, where the first of them stand, and where the rest does, which is folded. */
  const lists = {};
  for (const place of document.querySelectorAll("[data-list]")) {
    const items = [...place.children].filter((each) => each.dataset.condition);
    const list = (lists[place.dataset.list] ??= { places: [], items: [], few: items.length });
    list.places.push(place);
    list.items.push(...items);
  }

  const chosen = (name) => form.elements[name]?.value ?? "";

  function fits(condition) {
    const words = chosen("words").toLowerCase().split(/\s+/);
    const told = GROUPS.map((group) => condition[group]).concat(condition.name).join(" ").toLowerCase();
    return words.every((word) => told.includes(word)) &&
      GROUPS.every((group) => !chosen(group) || condition[group] === chosen(group));
  }

  /* Numbers and words alike; what has no number stands last, either way. */
  function compare(a, b) {
    const [x, y] = [conditions[a][sorting.by], conditions[b][sorting.by]];
    if (x === null || y === null) return (x === null) - (y === null);
    const way = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
    return sorting.descending ? -way : way;
  }

  /* The conditions that are shown, in their order. */
  function arranged() {
    const shown = [...conditions.keys()].filter((each) => fits(conditions[each]));
    if (sorting.by) shown.sort(compare);
    const group = chosen("group");
    if (!group) return shown;
    const groups = [...new Set(conditions.map((each) => each[group]))];
    return groups.flatMap((value) => shown.filter((each) => conditions[each][group] === value));
  }

  function heading(place, words) {
    const tags = { TBODY: "tr", TABLE: "tbody", OL: "li" };
    const made = document.createElement(tags[place.tagName] ?? "p");
    made.className = "group-of";
    let inner = made;
    if (place.tagName === "TABLE") inner = made.appendChild(document.createElement("tr"));
    if (inner.tagName === "TR") {
      inner = inner.appendChild(document.createElement("th"));
      inner.colSpan = place.closest("table").tHead.rows[0].cells.length;
      inner.scope = "rowgroup";
    }
    inner.textContent = words;
    return made;
  }

  function fill(place, items, group) {
    let last = null;
    for (const item of items) {
      const value = group && conditions[item.dataset.condition][group];
      if (value !== last && group) place.append(heading(place, value));
      last = value;
      place.append(item);
    }
  }

  function arrange() {
    document.querySelectorAll(".group-of").forEach((each) => each.remove());
    const order = arranged(), group = chosen("group");
    for (const { places: [first, rest], items, few } of Object.values(lists)) {
      const shown = order.flatMap((each) => items.filter((item) => Number(item.dataset.condition) === each));
      items.forEach((item) => { item.hidden = !shown.includes(item); });
      fill(first, rest ? shown.slice(0, few) : shown, group);
      if (!rest) continue;
      fill(rest, shown.slice(few), group);
      const more = rest.closest("details.more"), left = shown.length - few;
      more.hidden = left <= 0;
      more.querySelector("summary").textContent = `Show ${left} more`;
    }
    for (const row of document.querySelectorAll("[data-of]")) {
      row.hidden = !row.dataset.of.split(" ").some((each) => each && order.includes(Number(each)));
    }
    tell(order);
  }

  function tell(order) {
    const counts = new Map();
    for (const each of order) counts.set(conditions[each].outcome, (counts.get(conditions[each].outcome) ?? 0) + 1);
    const words = [...counts].sort(([, a], [, b]) => b - a).map(([word, count]) => `${count} ${word}`).join(", ");
    const of = order.length === conditions.length ? "" : `${order.length} of `;
    tally.textContent = `${of}${conditions.length} conditions${words ? `: ${words}` : ""}`;
  }

  /* A column's heading sorts: up, down, and as it was; numbers begin with the largest. */
  const columns = [...document.querySelectorAll("th[data-sort]")];

  function sort(by) {
    const downFirst = by !== "name" && by !== "outcome";
    if (sorting.by !== by) Object.assign(sorting, { by, descending: downFirst });
    else if (sorting.descending === downFirst) sorting.descending = !downFirst;
    else Object.assign(sorting, { by: "", descending: false });
    told();
    arrange();
  }

  function told() {
    for (const column of columns) {
      const is = sorting.by === column.dataset.sort;
      column.ariaSort = is ? (sorting.descending ? "descending" : "ascending") : "none";
    }
  }

  for (const column of columns) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...column.childNodes);
    button.addEventListener("click", () => sort(column.dataset.sort));
    column.append(button);
  }

  form.addEventListener("input", arrange);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    Object.assign(sorting, { by: "", descending: false });
    told();
    setTimeout(arrange); // once the form is reset
  });
  /* Whoever follows a link to what is filtered out sees it. */
  window.addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.closest("[hidden]")) form.reset();
  });

  told();
  form.hidden = false;
})();
