"use strict";
// Which items are shown, in which order, and how many there would be of each value.

(() => {
  const { store, picks } = batchgen;
  const VERDICTS = ["picked", "rejected", ""];
  const axes = store.meta.axes;

  // A facet is a set of values of which items must have one; an empty set lets all pass.
  const facets = [
    { name: "status", values: store.meta.kinds.map(batchgen.kindText = kindText), chosen: new Set(), of: (i) => store.kind[i] },
    { name: "verdict", values: ["picked", "rejected", "undecided"], chosen: new Set(), of: (i) => VERDICTS.indexOf(picks.of(i)) },
    ...axes.map((axis, a) => ({ name: axis.name, values: axis.values, chosen: new Set(), of: (i) => store.axes[a][i] })),
  ];
  const watchers = [];

  const selection = (batchgen.selection = {
    facets,
    text: "",
    seed: "",
    order: "made",
    shown: new Uint32Array(0),
    counts: facets.map((facet) => new Uint32Array(facet.values.length)),
    watch: (watch) => watchers.push(watch),
    isFiltered: () => selection.text !== "" || selection.seed !== "" || facets.some((facet) => facet.chosen.size),
    clear: () => {
      selection.text = selection.seed = "";
      facets.forEach((facet) => facet.chosen.clear());
    },
    // Counts anew, and leaves what is shown as it is.
    count: () => choose(),
    update: () => {
      choose();
      watchers.forEach((watch) => watch());
    },
  });

  function kindText(kind) {
    switch (kind.status) {
      case "succeeded": return "image";
      case "missing": return "file missing";
      case "undelivered": return "made, not on disk";
      case "failed": return kind.type ? `failed: ${kind.type}` : "failed";
      case "open": return "at the service";
      case "left": return "not run yet";
      default: return kind.status;
    }
  }

  function choose() {
    const prompts = matchingPrompts();
    const seed = selection.seed.trim();
    const found = [];
    selection.counts.forEach((counts) => counts.fill(0));
    for (let i = 0; i < store.count; i++) {
      if (!store.here[i]) continue;
      if (prompts && !prompts[store.prompt[i]] && !store.id[i].startsWith(selection.text)) continue;
      if (seed && !store.seed[i].startsWith(seed)) continue;
      // Of a facet that alone turns an item away, the item counts: it would come if that value
      // were chosen too.
      let misses = 0;
      let missed = -1;
      for (let f = 0; f < facets.length && misses < 2; f++) {
        if (facets[f].chosen.size && !facets[f].chosen.has(facets[f].of(i))) {
          misses += 1;
          missed = f;
        }
      }
      if (misses === 0) {
        found.push(i);
        for (let f = 0; f < facets.length; f++) selection.counts[f][facets[f].of(i)] += 1;
      } else if (misses === 1) selection.counts[missed][facets[missed].of(i)] += 1;
    }
    selection.shown = ordered(found);
  }

  function matchingPrompts() {
    const words = selection.text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return null;
    return store.prompts.map((prompt) => {
      const lower = prompt.toLowerCase();
      return words.every((word) => lower.includes(word));
    });
  }

  function ordered(found) {
    if (selection.order === "newest") found.reverse();
    if (selection.order === "axes") {
      found.sort((one, other) => {
        for (const codes of store.axes) if (codes[one] !== codes[other]) return codes[one] - codes[other];
        return one - other;
      });
    }
    // Until all have come in, the place of each is known where nothing is left out.
    if (selection.order === "made" && !selection.isFiltered()) {
      return Uint32Array.from({ length: store.count }, (_, i) => i);
    }
    return Uint32Array.from(found);
  }
})();
