"use strict";
// Images by two axes: one across, one down; the others are filters. A cell without an image says
// why it has none. Only the cells that can be seen are there.

(() => {
  const { store, selection, picks, element, byId, makeTile, once, shown } = batchgen;
  const NONE = -1;
  const GAP = 6;
  const HEAD = 54;
  const SIDE = 168;
  const NARROW_SIDE = 92;
  const MOST_ACROSS = 4;
  const axes = store.meta.axes;
  const scroller = byId("matrix-scroller");
  const table = element("div", { class: "table", role: "table", "aria-label": "Images by two axes" });
  scroller.append(table);

  const state = { across: NONE, down: NONE };
  let cells = new Map();
  let known = new Set();
  let acrossCodes = [];
  let downCodes = [];
  let size = 148;
  let side = SIDE;
  let isSized = false;
  let current = "0 0 0";
  const rows = new Map();

  const matrix = (batchgen.matrix = { layOut, scroller, hasAxes: axes.length > 0 });

  for (const way of ["across", "down"]) {
    byId(way).append(
      ...axes.map((axis, a) => element("option", { value: a }, axis.name)),
      element("option", { value: NONE }, "(nothing)"),
    );
    byId(way).addEventListener("change", (event) => {
      const other = way === "across" ? "down" : "across";
      const chosen = Number(event.target.value);
      if (chosen === state[other]) state[other] = state[way];
      state[way] = chosen;
      regroup();
      scroller.scrollTo(0, 0);
    });
  }
  byId("swap").addEventListener("click", () => {
    [state.across, state.down] = [state.down, state.across];
    regroup();
    scroller.scrollTo(0, 0);
  });
  byId("matrix-size").addEventListener("input", () => {
    isSized = true;
    layOut();
  });
  scroller.addEventListener("scroll", once(draw), { passive: true });
  new ResizeObserver(once(layOut)).observe(scroller);
  selection.watch(() => {
    const isHere = table.contains(document.activeElement);
    regroup();
    if (isHere) focusOn(...current.split(" ").map(Number));
  });
  picks.watch(() => table.querySelectorAll(".tile").forEach((tile) => tile.mark()));
  chooseAxes();

  // The first two axes that a person has written and that do not follow from one another.
  function chooseAxes() {
    const apart = ["prompt", "take", "endpoint"];
    const written = axes.map((_, a) => a).filter((a) => !apart.includes(axes[a].name));
    const others = ["take", "prompt", "endpoint"].map((name) => axes.findIndex((axis) => axis.name === name)).filter((a) => a >= 0);
    const [first, ...rest] = [...written, ...others];
    if (first === undefined) return;
    const second = rest.find((a) => !follows(first, a));
    state.down = first;
    state.across = second === undefined ? NONE : second;
    if (second !== undefined && axes[first].values.length < axes[second].values.length && axes[second].values.length > 12) {
      [state.down, state.across] = [second, first];
    }
  }

  function follows(one, other) {
    const pairs = new Set();
    for (let i = 0; i < store.count; i++) {
      if (store.here[i]) pairs.add(store.axes[one][i] * 65536 + store.axes[other][i]);
    }
    const seen = (a) => new Set(store.axes[a].subarray(0, store.loaded)).size;
    return pairs.size <= Math.max(seen(one), seen(other));
  }

  function regroup() {
    byId("across").value = state.across;
    byId("down").value = state.down;
    cells = new Map();
    const across = new Set();
    const down = new Set();
    for (const i of selection.shown) {
      if (!store.here[i]) continue;
      const a = codeOf(state.across, i);
      const d = codeOf(state.down, i);
      across.add(a);
      down.add(d);
      const key = d * 65536 + a;
      const cell = cells.get(key);
      if (cell) cell.push(i);
      else cells.set(key, [i]);
    }
    known = new Set();
    for (let i = 0; selection.isFiltered() && i < store.count; i++) {
      if (store.here[i]) known.add(codeOf(state.down, i) * 65536 + codeOf(state.across, i));
    }
    // In every cell the same order, whichever came first: what stands in one place compares.
    cells.forEach((items) => items.sort(byAxes));
    acrossCodes = [...across].sort((one, other) => one - other);
    downCodes = [...down].sort((one, other) => one - other);
    layOut();
  }

  function byAxes(one, other) {
    for (const codes of store.axes) if (codes[one] !== codes[other]) return codes[one] - codes[other];
    return one - other;
  }

  function codeOf(axis, i) {
    return axis === NONE ? 0 : store.axes[axis][i];
  }

  // As large as the columns let it be, until somebody has said otherwise.
  function fitSize() {
    const room = (scroller.clientWidth - side) / Math.max(1, acrossCodes.length) - GAP;
    byId("matrix-size").value = Math.round(Math.min(280, Math.max(side === SIDE ? 132 : 96, room)));
  }

  function layOut() {
    if (scroller.clientWidth === 0) return;
    side = scroller.clientWidth < 640 ? NARROW_SIDE : SIDE;
    if (!isSized) fitSize();
    size = Number(byId("matrix-size").value);
    table.style.width = `${side + acrossCodes.length * (size + GAP) + GAP}px`;
    table.style.height = `${HEAD + downCodes.length * (size + GAP) + GAP}px`;
    table.setAttribute("aria-rowcount", downCodes.length + 1);
    table.setAttribute("aria-colcount", acrossCodes.length + 1);
    rows.clear();
    table.replaceChildren();
    head = null;
    draw();
  }

  let head = null;

  function draw() {
    if (scroller.clientWidth === 0) return;
    const step = size + GAP;
    const top = Math.max(0, Math.floor((scroller.scrollTop) / step) - 1);
    const bottom = Math.min(downCodes.length, Math.ceil((scroller.scrollTop + scroller.clientHeight - HEAD) / step) + 1);
    const left = Math.max(0, Math.floor(scroller.scrollLeft / step) - 1);
    const right = Math.min(acrossCodes.length, Math.ceil((scroller.scrollLeft + scroller.clientWidth - side) / step) + 1);
    const part = `${left} ${right}`;
    if (!head || head.part !== part) drawHead(left, right, part);
    rows.forEach((row, r) => {
      if (r < top || r >= bottom || row.part !== part) {
        row.remove();
        rows.delete(r);
      }
    });
    for (let r = top; r < bottom; r++) if (!rows.has(r)) drawRow(r, left, right, part);
  }

  function drawHead(left, right, part) {
    head?.remove();
    head = element("div", { class: "row head", role: "row", "aria-rowindex": 1 });
    head.part = part;
    const names = [state.down, state.across].map((axis) => (axis === NONE ? "" : axes[axis].name));
    const corner = element("div", { class: "corner", role: "columnheader", "aria-colindex": 1 },
      element("span", {}, names[0] && `${names[0]} ↓`), element("span", {}, names[1] && `${names[1]} →`));
    corner.style.width = `${side}px`;
    head.append(corner);
    for (let c = left; c < right; c++) {
      const text = nameOf(state.across, acrossCodes[c]);
      const cell = element("div", { class: "name", role: "columnheader", "aria-colindex": c + 2, title: text }, element("span", {}, text));
      cell.style.left = `${side + c * (size + GAP)}px`;
      cell.style.width = `${size}px`;
      head.append(cell);
    }
    table.prepend(head);
  }

  function drawRow(r, left, right, part) {
    const row = element("div", { class: "row", role: "row", "aria-rowindex": r + 2 });
    row.part = part;
    row.style.top = `${HEAD + r * (size + GAP)}px`;
    row.style.height = `${size}px`;
    const text = nameOf(state.down, downCodes[r]);
    const name = element("div", { class: "name", role: "rowheader", "aria-colindex": 1, title: text }, element("span", {}, text));
    name.style.width = `${side}px`;
    row.append(name);
    for (let c = left; c < right; c++) row.append(makeCell(r, c));
    rows.set(r, row);
    table.append(row);
  }

  function makeCell(r, c) {
    const items = cells.get(downCodes[r] * 65536 + acrossCodes[c]) || [];
    const cell = element("div", { class: "cell", role: "cell", "aria-colindex": c + 2 });
    cell.style.left = `${side + c * (size + GAP)}px`;
    cell.style.width = cell.style.height = `${size}px`;
    if (!items.length) {
      const text = known.has(downCodes[r] * 65536 + acrossCodes[c]) ? "nothing fits" : store.loaded < store.count ? "…" : "no such job";
      cell.append(element("span", { class: "nothing" }, text));
      return cell;
    }
    const most = size < 110 ? 1 : size < 260 ? 2 : MOST_ACROSS;
    const across = Math.min(most, Math.ceil(Math.sqrt(items.length)));
    const room = across * across;
    const listed = items.length > room ? room - (room > 1 ? 1 : 0) : items.length;
    cell.style.gridTemplateColumns = `repeat(${across}, minmax(0, 1fr))`;
    cell.style.gridTemplateRows = `repeat(${Math.ceil(Math.min(items.length, room) / across)}, minmax(0, 1fr))`;
    if (room === 1) items.sort((one, other) => store.hasPicture(other) - store.hasPicture(one));
    for (let k = 0; k < listed; k++) cell.append(makePart(items, k, r, c));
    if (items.length > listed) cell.append(makeRest(items, listed, room > 1));
    return cell;
  }

  function makePart(items, k, r, c) {
    const tile = makeTile();
    tile.show(items[k]);
    tile.place = `${r} ${c} ${k}`;
    tile.tabIndex = tile.place === current ? 0 : -1;
    tile.addEventListener("click", () => openAt(items[k]));
    tile.addEventListener("focus", () => (current = tile.place));
    return tile;
  }

  function makeRest(items, from, isTile) {
    const text = isTile ? `+${items.length - from}` : `${items.length}`;
    return element("button", { type: "button", tabindex: -1, class: isTile ? "rest" : "rest corner-mark", "aria-label": `${items.length} in this cell`, on: { click: () => openAt(items[isTile ? from : 0]) } }, text);
  }

  // One image large; next and previous go on along the row, then to the next row.
  function openAt(i) {
    const all = [];
    for (const d of downCodes) for (const a of acrossCodes) all.push(...(cells.get(d * 65536 + a) || []));
    batchgen.viewer.open(all, all.indexOf(i), (place) => focusItem(all[place]));
  }

  function focusItem(i) {
    const [d, a] = [codeOf(state.down, i), codeOf(state.across, i)];
    const items = cells.get(d * 65536 + a);
    // What the filters leave may have changed meanwhile: a verdict counts at once.
    if (items) focusOn(downCodes.indexOf(d), acrossCodes.indexOf(a), Math.max(0, items.indexOf(i)));
  }

  function nameOf(axis, code) {
    return axis === NONE ? "all" : shown(axes[axis].values[code]);
  }

  function focusOn(r, c, k) {
    current = `${r} ${c} ${k}`;
    const step = size + GAP;
    const inside = (start, length, from, room) => (start < from ? start : start + length > from + room ? start + length - room : from);
    scroller.scrollTop = inside(r * step, step + GAP, scroller.scrollTop, scroller.clientHeight - HEAD);
    scroller.scrollLeft = inside(c * step, step + GAP, scroller.scrollLeft, scroller.clientWidth - side);
    draw();
    const tiles = [...table.querySelectorAll(".tile")];
    tiles.forEach((tile) => (tile.tabIndex = tile.place === current ? 0 : -1));
    const found = tiles.find((tile) => tile.place === current) || tiles.find((tile) => tile.place === `${r} ${c} 0`);
    if (!found) return false;
    found.tabIndex = 0;
    found.focus({ preventScroll: true });
    return true;
  }

  scroller.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    const [r, c] = current.split(" ").map(Number);
    if (step && downCodes.length) {
      event.preventDefault();
      // Past cells without a job, as far as there is another.
      let [row, column] = [r + step[0], c + step[1]];
      while (row >= 0 && column >= 0 && row < downCodes.length && column < acrossCodes.length) {
        if (cells.has(downCodes[row] * 65536 + acrossCodes[column])) {
          focusOn(row, column, 0);
          break;
        }
        row += step[0];
        column += step[1];
      }
    }
    const verdict = { p: "picked", x: "rejected" }[event.key];
    if (verdict && event.target.matches(".tile") && !event.ctrlKey && !event.metaKey) picks.toggle(event.target.shows, verdict);
  });
})();
