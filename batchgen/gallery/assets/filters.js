"use strict";
// The filters beside the images: search, seed, status, verdict, and every axis.

(() => {
  const { store, selection, picks, element, byId, once, shown } = batchgen;
  // So many values of an axis are listed at a time; the rest is found by typing.
  const MOST_LISTED = 60;
  const FEW = 10;
  const number = (count) => count.toLocaleString("en");

  const lists = selection.facets.map(makeList);
  byId("facets").append(...lists.map((list) => list.box));

  let typing = 0;
  for (const [id, key] of [["search", "text"], ["seed", "seed"]]) {
    byId(id).addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => {
        selection[key] = event.target.value.trim();
        selection.update();
      }, 120);
    });
  }
  byId("clear").addEventListener("click", () => {
    selection.clear();
    byId("search").value = byId("seed").value = "";
    selection.update();
  });
  byId("filters-toggle").addEventListener("click", (event) => {
    const open = document.body.classList.toggle("filters-open");
    event.currentTarget.setAttribute("aria-expanded", String(open));
  });
  selection.watch(draw);
  // A verdict changes the counts; which images are shown only where somebody has filtered by it.
  picks.watch(once(() => {
    if (selection.facets[1].chosen.size) selection.update();
    else {
      selection.count();
      draw();
    }
  }));

  function makeList(facet, f) {
    const list = { facet, f, query: "" };
    list.items = element("ul");
    list.more = element("p", { class: "more" });
    list.search = facet.values.length > MOST_LISTED
      ? element("input", { type: "search", "aria-label": `Find a ${facet.name}`, placeholder: "find…", on: { input: (event) => {
          list.query = event.target.value.toLowerCase();
          drawList(list);
        } } })
      : null;
    list.mark = element("span", { class: "mark" });
    list.box = element("details", { class: "facet", open: facet.values.length <= FEW },
      element("summary", {}, element("span", {}, facet.name), list.mark), list.search, list.items, list.more);
    list.box.addEventListener("toggle", () => drawList(list));
    return list;
  }

  function draw() {
    const found = selection.isFiltered() ? selection.shown.length : store.loaded;
    const rest = store.loaded < store.count ? `, ${number(store.loaded)} of ${number(store.count)} read` : "";
    byId("found").textContent = `${number(found)} of ${number(store.count)}${rest}`;
    byId("clear").hidden = !selection.isFiltered();
    lists.forEach(drawList);
  }

  function drawList(list) {
    const { facet, f } = list;
    list.mark.textContent = facet.chosen.size ? `${facet.chosen.size} chosen` : "";
    if (!list.box.open) return;
    const held = list.items.contains(document.activeElement) ? document.activeElement.value : null;
    const values = facet.values
      .map((value, code) => ({ value: shown(value), code, count: selection.counts[f][code] }))
      .filter(({ value, code, count }) => facet.chosen.has(code)
        || (list.query ? value.toLowerCase().includes(list.query) : f > 1 || count > 0));
    const listed = values.slice(0, MOST_LISTED);
    list.items.replaceChildren(...listed.map((one) => makeItem(list, one)));
    const hidden = values.length - listed.length;
    list.more.textContent = hidden ? `${number(hidden)} more: type to find them` : "";
    if (held !== null) list.items.querySelector(`input[value="${held}"]`)?.focus();
  }

  function makeItem({ facet }, { value, code, count }) {
    const box = element("input", { type: "checkbox", value: code, on: { change: (event) => {
      if (event.target.checked) facet.chosen.add(code);
      else facet.chosen.delete(code);
      selection.update();
    } } });
    box.checked = facet.chosen.has(code);
    return element("li", { class: count ? "" : "none" },
      element("label", { title: value }, box, element("span", { class: "value" }, value), element("span", { class: "count" }, number(count))));
  }
})();
