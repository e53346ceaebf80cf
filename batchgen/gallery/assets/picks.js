"use strict";
// What was picked and what was rejected: kept by the browser, saved as picks.csv.

(() => {
  const { store, byId, say } = batchgen;
  const HEAD = "job_id,image_index,verdict";
  // Pages from disk share one storage: the name tells batches apart, and copies of one batch.
  const folder = decodeURIComponent(location.pathname.replace(/\/[^/]*$/, ""));
  const place = `batchgen picks ${store.meta.batch} ${folder}`;
  const verdicts = new Map();
  const watchers = [];

  const picks = (batchgen.picks = {
    of: (i) => verdicts.get(name(i)) || "",
    watch: (watch) => watchers.push(watch),
    toggle: (i, verdict) => {
      if (!store.hasPicture(i)) return;
      if (verdicts.get(name(i)) === verdict) verdicts.delete(name(i));
      else verdicts.set(name(i), verdict);
      keep();
      say(verdicts.get(name(i)) || "no verdict");
    },
    csv: () => {
      const rows = [...verdicts].map(([name, verdict]) => `${name.replace("/", ",")},${verdict}`);
      return `${[HEAD, ...rows].join("\n")}\n`;
    },
    restore: (text) => {
      const read = parse(text);
      if (read === null) {
        say(`That is no picks.csv: its first line is ${HEAD}.`);
        return;
      }
      read.forEach((verdict, name) => verdicts.set(name, verdict));
      keep();
      say(`${read.size.toLocaleString("en")} verdicts restored`);
    },
  });

  function name(i) {
    return `${store.id[i]}/${store.image[i]}`;
  }

  function parse(text) {
    const lines = text.replace(/^\ufeff/, "").split(/\r?\n/).map((line) => line.replaceAll('"', "").trim());
    const mark = lines[0].includes(";") ? ";" : ",";
    if (lines[0].split(mark).map((cell) => cell.trim()).join(",") !== HEAD) return null;
    const read = new Map();
    for (const line of lines.slice(1)) {
      const [id, image, verdict] = line.split(mark).map((cell) => cell.trim());
      const fits = /^[k-z]{16}$/.test(id) && /^\d+$/.test(image || "");
      if (fits && (verdict === "picked" || verdict === "rejected")) read.set(`${id}/${image}`, verdict);
    }
    return read;
  }

  function keep() {
    try {
      localStorage.setItem(place, picks.csv());
    } catch {
      say("The browser keeps nothing for this page. Save picks.csv before you close it.");
    }
    tell();
  }

  function tell() {
    let picked = 0;
    verdicts.forEach((verdict) => (picked += verdict === "picked"));
    const rejected = verdicts.size - picked;
    byId("pick-counts").textContent = `${picked.toLocaleString("en")} picked · ${rejected.toLocaleString("en")} rejected`;
    byId("save-picks").disabled = verdicts.size === 0;
    watchers.forEach((watch) => watch());
  }

  function recall() {
    try {
      verdicts.clear();
      (parse(localStorage.getItem(place) || HEAD) || []).forEach((verdict, name) => verdicts.set(name, verdict));
    } catch {
      // A browser that keeps nothing: picks last as long as the page is open.
    }
    tell();
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([picks.csv()], { type: "text/csv" }));
    link.download = "picks.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  byId("save-picks").addEventListener("click", save);
  byId("restore-picks").addEventListener("click", () => byId("picks-file").click());
  byId("picks-file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file) picks.restore(await file.text());
    event.target.value = "";
  });
  addEventListener("storage", (event) => {
    if (event.key === place) recall();
  });
  recall();
})();
