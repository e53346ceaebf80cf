"use strict";
// Elements from names, attributes and texts. Texts come from prompts and from the service: they
// are set as text, never as markup.

(() => {
  batchgen.element = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "on") {
        for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
      } else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  batchgen.byId = (id) => document.getElementById(id);

  // A value as people read it: an empty one has a word too.
  batchgen.shown = (value) => (value === "" ? "(empty)" : value);

  let clearing = 0;

  // Says something to everybody, also to those who listen.
  batchgen.say = (text) => {
    const said = batchgen.byId("said");
    said.textContent = text;
    said.classList.add("shown");
    clearTimeout(clearing);
    clearing = setTimeout(() => said.classList.remove("shown"), 4000);
  };

  batchgen.copy = async (text, name) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = batchgen.element("textarea", { "aria-hidden": "true" });
      area.value = text;
      (document.querySelector("dialog[open]") || document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    batchgen.say(`${name} copied`);
  };

  // Calls a function at most once for each picture that is drawn.
  batchgen.once = (call) => {
    let waits = false;
    return () => {
      if (waits) return;
      waits = true;
      requestAnimationFrame(() => {
        waits = false;
        call();
      });
    };
  };
})();
