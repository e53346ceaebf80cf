"use strict";
// Which view is shown, in which colours, and the keys that work everywhere.

(() => {
  const { store, selection, matrix, grid, byId } = batchgen;
  const VIEWS = ["matrix", "grid", "night"];
  const THEMES = { "": "◐", light: "☀", dark: "☾" };
  const layOut = { matrix: matrix.layOut, grid: grid.layOut, night: () => {} };

  function open(view, { push = true } = {}) {
    for (const name of VIEWS) {
      const is = name === view;
      byId(name).hidden = !is;
      byId(`tab-${name}`).setAttribute("aria-selected", String(is));
      byId(`tab-${name}`).tabIndex = is ? 0 : -1;
    }
    document.body.dataset.view = view;
    layOut[view]();
    if (push) history.replaceState(null, "", `#${view}`);
  }

  const tabs = VIEWS.map((view) => byId(`tab-${view}`));
  tabs.forEach((tab, n) => {
    tab.addEventListener("click", () => open(tab.dataset.view));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(n + step + tabs.length) % tabs.length];
      open(next.dataset.view);
      next.focus();
    });
  });

  function setTheme(theme) {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    byId("theme").textContent = THEMES[theme];
    byId("theme").title = theme || "as the system";
    try {
      localStorage.setItem("batchgen theme", theme);
    } catch {
      // A browser that keeps nothing: the choice lasts as long as the page is open.
    }
  }

  function savedTheme() {
    try {
      const saved = localStorage.getItem("batchgen theme");
      return saved in THEMES ? saved : "";
    } catch {
      return "";
    }
  }

  byId("theme").addEventListener("click", () => {
    const themes = Object.keys(THEMES);
    setTheme(themes[(themes.indexOf(document.documentElement.dataset.theme || "") + 1) % themes.length]);
  });
  setTheme(savedTheme());

  byId("help-button").addEventListener("click", () => byId("help").showModal());
  document.querySelectorAll(".failures button").forEach((button) => {
    button.addEventListener("click", () => {
      const code = store.meta.kinds.findIndex((kind) => kind.status === "failed" && kind.type === button.dataset.type);
      selection.clear();
      selection.facets[0].chosen.add(code);
      selection.update();
      open("grid");
    });
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (document.querySelector("dialog[open]")) return;
    const view = { m: "matrix", g: "grid", n: "night" }[event.key];
    if (view) open(view);
    if (event.key === "?") byId("help").showModal();
    if (event.key === "/") {
      event.preventDefault();
      document.body.classList.add("filters-open");
      byId("search").focus();
    }
  });

  let waiting = 0;
  store.watch(() => {
    if (store.loaded === store.count) {
      clearTimeout(waiting);
      waiting = 0;
      selection.update();
    } else if (!waiting) {
      waiting = setTimeout(() => {
        waiting = 0;
        selection.update();
      }, 400);
    }
  });

  const wanted = location.hash.slice(1);
  open(VIEWS.includes(wanted) ? wanted : matrix.hasAxes ? "matrix" : "grid", { push: false });
  selection.update();
  store.loadRest().then(() => (document.body.dataset.ready = "yes"), (error) => batchgen.say(error.message));
})();
