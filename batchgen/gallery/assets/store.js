"use strict";
// What the data files hand over, kept in arrays with one place for each item. Data files are
// scripts, because a page that was opened from disk may load nothing else.

var batchgen = {};

(() => {
  const files = document.body.dataset.files;
  const store = {
    meta: null,
    count: 0,
    loaded: 0,
    pieces: 0,
    share: document.body.dataset.share === "share",
    prompts: [],
    details: new Map(),
  };
  const promptNumbers = new Map();
  const watchers = [];

  batchgen.store = store;

  batchgen.meta = (meta) => {
    const count = meta.items;
    store.meta = meta;
    store.count = count;
    store.pieces = Math.ceil(count / meta.piece);
    store.here = new Uint8Array(count);
    store.id = new Array(count);
    store.image = new Int16Array(count);
    store.kind = new Uint16Array(count);
    store.seed = new Array(count);
    store.prompt = new Uint32Array(count);
    store.digest = new Array(count);
    store.file = new Array(count);
    store.width = new Uint32Array(count);
    store.height = new Uint32Array(count);
    store.axes = meta.axes.map(() => new Uint16Array(count));
  };

  batchgen.page = (first, piece) => {
    const numbers = piece.prompts.map(promptNumber);
    for (let n = 0; n < piece.id.length; n++) {
      const i = first + n;
      store.here[i] = 1;
      store.id[i] = piece.id[n];
      store.image[i] = piece.image[n];
      store.kind[i] = piece.kind[n];
      store.seed[i] = piece.seed[n];
      store.prompt[i] = numbers[piece.prompt[n]];
      store.digest[i] = piece.digest[n];
      store.file[i] = piece.file ? piece.file[n] : "";
      store.width[i] = piece.width[n];
      store.height[i] = piece.height[n];
    }
    piece.axes.forEach((codes, axis) => store.axes[axis].set(codes, first));
    store.loaded += piece.id.length;
    watchers.forEach((watch) => watch());
  };

  batchgen.detail = (first, details) => {
    details.forEach((detail, n) => store.details.set(first + n, detail));
  };

  function promptNumber(text) {
    let number = promptNumbers.get(text);
    if (number === undefined) {
      number = store.prompts.push(text) - 1;
      promptNumbers.set(text, number);
    }
    return number;
  }

  // Calls back whenever more items have come in.
  store.watch = (watch) => watchers.push(watch);

  // Loads the pieces behind the first, one after the other, so that the page can be used meanwhile.
  store.loadRest = async () => {
    for (let piece = 1; piece < store.pieces; piece++) {
      await load(`page-${piece}.js`);
      if (piece % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };

  store.detailOf = async (i) => {
    if (!store.details.has(i)) await load(`detail-${Math.floor(i / store.meta.detail)}.js`);
    return store.details.get(i) || {};
  };

  store.kindOf = (i) => store.meta.kinds[store.kind[i]];

  store.promptOf = (i) => store.prompts[store.prompt[i]];

  store.hasPicture = (i) => store.here[i] === 1 && store.digest[i] !== "";

  store.thumbnail = (i) => picture("thumbs", i);

  store.large = (i) => {
    if (store.share) return picture("previews", i);
    return `../${store.file[i].split("/").map(encodeURIComponent).join("/")}`;
  };

  store.valueOf = (axis, i) => store.meta.axes[axis].values[store.axes[axis][i]];

  function picture(folder, i) {
    const id = store.id[i];
    return `${folder}/${id.slice(0, 2)}/${id}-${store.image[i]}-${store.digest[i]}.webp`;
  }

  function load(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${files}/${name}`;
      script.onload = () => {
        script.remove();
        resolve();
      };
      script.onerror = () => reject(new Error("This page was made anew meanwhile: reload it."));
      document.head.append(script);
    });
  }
})();
