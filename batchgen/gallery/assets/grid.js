"use strict";
// All images in rows. Only what can be seen is there; tiles that leave on one side come back on
// the other.

(() => {
  const { store, selection, picks, element, byId, makeTile, once } = batchgen;
  const GAP = 12;
  const CAPTION = 26;
  const EDGE = 16;
  const scroller = byId("grid-scroller");
  const inner = element("div", { class: "inner", role: "list", "aria-label": "Images" });
  const empty = element("p", { class: "empty", hidden: true }, "Nothing fits these filters.");
  scroller.append(inner, empty);

  const placed = new Map();
  const spare = [];
  let columns = 1;
  let width = 0;
  let height = 0;
  let current = 0;

  batchgen.grid = { layOut, goTo };

  scroller.addEventListener("scroll", once(draw), { passive: true });
  scroller.addEventListener("scrollend", putInOrder);
  byId("grid-size").addEventListener("input", () => keepingPlace(layOut));
  byId("order").addEventListener("change", (event) => {
    selection.order = event.target.value;
    selection.update();
    scroller.scrollTop = 0;
  });
  new ResizeObserver(once(() => keepingPlace(layOut))).observe(scroller);
  if (innerWidth < 640) byId("grid-size").value = 150;
  selection.watch(() => {
    const isHere = inner.contains(document.activeElement);
    current = Math.min(current, Math.max(0, selection.shown.length - 1));
    layOut();
    if (isHere && selection.shown.length) goTo(current);
  });
  picks.watch(() => placed.forEach((cell) => cell.tile.mark()));

  function layOut() {
    if (scroller.clientWidth === 0) return;
    const room = scroller.clientWidth - 2 * EDGE;
    const wish = Number(byId("grid-size").value);
    columns = Math.max(1, Math.floor((room + GAP) / (wish + GAP)));
    width = Math.floor((room - GAP * (columns - 1)) / columns);
    height = width + CAPTION;
    const rows = Math.ceil(selection.shown.length / columns);
    inner.style.height = `${rows * (height + GAP) + 2 * EDGE}px`;
    empty.hidden = selection.shown.length > 0;
    placed.forEach(release);
    placed.clear();
    draw();
    putInOrder();
  }

  // Who reads the page aloud reads it in the order of its elements. What has the focus stays.
  function putInOrder() {
    if (inner.contains(document.activeElement)) return;
    const cells = [...placed.values()].sort((one, other) => one.place - other.place);
    cells.forEach((cell, n) => {
      if (inner.children[n] !== cell) inner.insertBefore(cell, inner.children[n]);
    });
  }

  function draw() {
    if (scroller.clientWidth === 0) return;
    const step = height + GAP;
    const first = Math.max(0, Math.floor((scroller.scrollTop - EDGE) / step) - 1) * columns;
    const last = Math.min(selection.shown.length, (Math.ceil((scroller.scrollTop + scroller.clientHeight) / step) + 1) * columns);
    placed.forEach((cell, place) => {
      if (place < first || place >= last) {
        release(cell);
        placed.delete(place);
      }
    });
    for (let place = first; place < last; place++) show(place);
  }

  function show(place) {
    let cell = placed.get(place);
    if (!cell) {
      cell = spare.pop() || makeCell();
      placed.set(place, cell);
      const row = Math.floor(place / columns);
      const column = place % columns;
      cell.style.width = `${width}px`;
      cell.style.height = `${height}px`;
      cell.style.transform = `translate(${EDGE + column * (width + GAP)}px, ${EDGE + row * (height + GAP)}px)`;
      cell.setAttribute("aria-setsize", selection.shown.length);
      cell.setAttribute("aria-posinset", place + 1);
      cell.place = place;
      if (cell.parentNode === null) inner.append(cell);
      cell.hidden = false;
    }
    cell.tile.tabIndex = place === current ? 0 : -1;
    cell.tile.show(selection.shown[place]);
  }

  function makeCell() {
    const tile = makeTile();
    const cell = element("div", { class: "cell", role: "listitem" }, tile);
    cell.tile = tile;
    tile.addEventListener("click", () => batchgen.viewer.open(selection.shown, cell.place, goTo));
    tile.addEventListener("focus", () => (current = cell.place));
    return cell;
  }

  function release(cell) {
    cell.hidden = true;
    cell.tile.rest();
    spare.push(cell);
  }

  function keepingPlace(change) {
    const first = Math.floor(Math.max(0, scroller.scrollTop - EDGE) / (height + GAP || 1)) * columns;
    change();
    scroller.scrollTop = Math.floor(first / columns) * (height + GAP) + (first ? EDGE : 0);
    draw();
  }

  function goTo(wanted) {
    const place = Math.min(wanted, selection.shown.length - 1);
    current = place;
    const top = EDGE + Math.floor(place / columns) * (height + GAP);
    if (top < scroller.scrollTop) scroller.scrollTop = top - GAP;
    else if (top + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height + GAP - scroller.clientHeight;
    draw();
    placed.forEach((cell, at) => (cell.tile.tabIndex = at === place ? 0 : -1));
    placed.get(place)?.tile.focus({ preventScroll: true });
  }

  scroller.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(scroller.clientHeight / (height + GAP))) * columns;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step !== undefined && selection.shown.length) {
      event.preventDefault();
      goTo(Math.min(selection.shown.length - 1, Math.max(0, current + step)));
    }
    const verdict = { p: "picked", x: "rejected" }[event.key];
    if (verdict && event.target.matches(".tile") && !event.ctrlKey && !event.metaKey) picks.toggle(selection.shown[current], verdict);
  });
})();
