"use strict";
// One image large, with all that is known of it.

(() => {
  const { store, selection, picks, element, byId, copy, say, shown, kindText } = batchgen;
  const dialog = byId("viewer");
  const frame = byId("frame");
  const facts = byId("facts");
  let items = [];
  let place = 0;
  let afterwards = () => {};

  const ROWS = [
    ["request_id", "Request id"], ["cost_usd", "Cost"], ["error", "Error"], ["attempts", "Attempts"],
    ["submitted_at", "Submitted"], ["finished_at", "Finished"], ["inference_s", "Inference"],
    ["content_type", "Type"], ["bytes", "Size"], ["sha256", "SHA-256"], ["file", "File"], ["url", "URL"],
  ];

  batchgen.viewer = {
    open: (list, at, then) => {
      items = list;
      afterwards = then;
      if (!dialog.open) dialog.showModal();
      show(at);
    },
  };

  function show(at) {
    place = Math.min(items.length - 1, Math.max(0, at));
    const i = items[place];
    if (!store.here[i]) return;
    byId("place").textContent = `${(place + 1).toLocaleString("en")} of ${items.length.toLocaleString("en")}`;
    byId("previous").disabled = place === 0;
    byId("next").disabled = place === items.length - 1;
    frame.classList.remove("actual");
    frame.replaceChildren(picture(i));
    mark();
    facts.replaceChildren(...known(i, null));
    facts.scrollTop = 0;
    store.detailOf(i).then((detail) => {
      if (items[place] === i) facts.replaceChildren(...known(i, detail));
    }, (error) => say(error.message));
    preload(place + 1);
    preload(place - 1);
  }

  function picture(i) {
    if (!store.hasPicture(i)) {
      const kind = store.kindOf(i);
      return element("p", { class: "hole", "data-status": kind.status }, kindText(kind));
    }
    const image = element("img", { src: store.large(i), alt: store.promptOf(i), width: store.width[i] || null, height: store.height[i] || null });
    image.addEventListener("error", () => {
      image.replaceWith(element("p", { class: "hole", "data-status": "missing" }, "Its file cannot be read: it was moved or removed after this page was made."));
    });
    image.addEventListener("click", zoom);
    return image;
  }

  function preload(at) {
    if (at < 0 || at >= items.length || !store.hasPicture(items[at])) return;
    new Image().src = store.large(items[at]);
  }

  function known(i, detail) {
    const prompt = store.promptOf(i);
    const seed = store.seed[i];
    const buttons = element("p", { class: "copies" },
      copier("Copy prompt", prompt, "Prompt"),
      seed && copier("Copy seed", seed, "Seed"),
      detail?.snippet && copier("Copy manifest", detail.snippet, "Manifest of this job"));
    const named = store.meta.axes.map((axis, a) => [axis.name, store.valueOf(a, i)]).filter(([name, value]) => name !== "prompt" && value !== "");
    const rows = [...named, ...Object.entries(detail?.values || {})];
    const size = store.width[i] ? [["Pixels", `${store.width[i]} × ${store.height[i]}`]] : [];
    const kind = store.kindOf(i);
    const parts = [
      element("p", { class: "prompt" }, prompt),
      buttons,
      table("What it is", [...rows.map(([name, value]) => [name, shown(value)]), ...(seed ? [["seed", seed]] : [])]),
      table("What came of it", [
        ["Status", kindText(kind)],
        ...size,
        ...ROWS.filter(([key]) => detail && detail[key]).map(([key, name]) => [name, written(key, detail)]),
        ["Job", store.id[i]],
        ...(store.image[i] > 0 ? [["Image", String(store.image[i])]] : []),
      ]),
    ];
    if (detail?.snippet) {
      parts.push(element("details", { class: "snippet" }, element("summary", {}, "A manifest that makes just this"), element("pre", { tabindex: 0 }, detail.snippet)));
    }
    if (detail && !detail.snippet) parts.push(element("p", { class: "aside" }, "No manifest makes this job alone: it was made once more, or its row does not say all that was sent."));
    return parts;
  }

  function written(key, detail) {
    const value = detail[key];
    switch (key) {
      case "cost_usd": return `$${value}${detail.cost_source === "table" ? " by the price table" : ""}`;
      case "bytes": return `${(Number(value) / 1e6).toFixed(2)} MB`;
      case "inference_s": return `${value} s`;
      case "submitted_at":
      case "finished_at": return value.replace("T", " ").replace(/\.\d+Z$/, " UTC");
      default: return value;
    }
  }

  function table(title, rows) {
    return element("section", {}, element("h3", {}, title),
      element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])));
  }

  function copier(text, value, name) {
    return element("button", { type: "button", on: { click: () => copy(value, name) } }, text);
  }

  function mark() {
    const i = items[place];
    const verdict = picks.of(i);
    byId("pick").setAttribute("aria-pressed", String(verdict === "picked"));
    byId("reject").setAttribute("aria-pressed", String(verdict === "rejected"));
    byId("pick").disabled = byId("reject").disabled = !store.hasPicture(i);
    dialog.dataset.verdict = verdict;
  }

  function zoom() {
    frame.classList.toggle("actual");
  }

  picks.watch(() => {
    if (dialog.open) mark();
  });
  byId("previous").addEventListener("click", () => show(place - 1));
  byId("next").addEventListener("click", () => show(place + 1));
  byId("close").addEventListener("click", () => dialog.close());
  byId("pick").addEventListener("click", () => picks.toggle(items[place], "picked"));
  byId("reject").addEventListener("click", () => picks.toggle(items[place], "rejected"));
  dialog.addEventListener("close", () => {
    frame.replaceChildren();
    afterwards(place);
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const calls = {
      ArrowRight: () => show(place + 1),
      ArrowLeft: () => show(place - 1),
      j: () => show(place + 1),
      k: () => show(place - 1),
      p: () => picks.toggle(items[place], "picked"),
      x: () => picks.toggle(items[place], "rejected"),
      z: zoom,
    };
    const call = calls[event.key];
    if (!call) return;
    event.preventDefault();
    event.stopPropagation();
    call();
  });
})();
