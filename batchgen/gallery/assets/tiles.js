"use strict";
// One item as a small picture, or as the reason why there is none.

(() => {
  const { store, picks, element, kindText } = batchgen;

  batchgen.captionOf = (i) => {
    const named = store.meta.axes
      .map((axis, a) => [axis.name, a])
      .filter(([name]) => name !== "prompt" && name !== "endpoint")
      .map(([name, a]) => (name === "take" ? `take ${store.valueOf(a, i)}` : store.valueOf(a, i)))
      .filter(Boolean);
    return named.join(" · ") || store.promptOf(i);
  };

  // A name_in_one_piece may break behind its underscores.
  function breakable(text) {
    return text.replaceAll("_", "_\u200b");
  }

  // A tile is made once and shows one item after the other.
  batchgen.makeTile = () => {
    const image = element("img", { alt: "", decoding: "async", draggable: "false" });
    const why = element("span", { class: "why" });
    const caption = element("span", { class: "caption" });
    const tile = element("button", { type: "button", class: "tile" }, element("span", { class: "picture" }, image, why), caption);
    tile.shows = -1;
    image.addEventListener("load", () => image.classList.add("here"));
    image.addEventListener("error", () => {
      if (image.getAttribute("src")) why.textContent = "its picture cannot be read";
    });
    tile.show = (i) => {
      if (tile.shows === i && tile.wasHere === store.here[i]) return tile.mark();
      tile.shows = i;
      tile.wasHere = store.here[i];
      image.classList.remove("here");
      image.removeAttribute("src");
      if (!store.here[i]) {
        tile.className = "tile waiting";
        why.textContent = caption.textContent = "";
        tile.setAttribute("aria-label", "not read yet");
        return undefined;
      }
      const kind = store.kindOf(i);
      const text = kindText(kind);
      tile.dataset.status = kind.status;
      if (store.hasPicture(i)) image.src = store.thumbnail(i);
      why.textContent = store.hasPicture(i) ? "" : breakable(text);
      caption.textContent = batchgen.captionOf(i);
      tile.title = store.promptOf(i);
      return tile.mark();
    };
    // Its picture is let go, or every one that was ever seen stays in memory.
    tile.rest = () => {
      tile.shows = -1;
      image.classList.remove("here");
      image.removeAttribute("src");
    };
    tile.mark = () => {
      const i = tile.shows;
      if (i < 0 || !store.here[i]) return;
      const verdict = picks.of(i);
      tile.className = `tile ${verdict} ${store.hasPicture(i) ? "" : "hole"}`;
      const state = store.hasPicture(i) ? verdict : kindText(store.kindOf(i));
      tile.setAttribute("aria-label", [batchgen.captionOf(i), state].filter(Boolean).join(", "));
    };
    return tile;
  };
})();
