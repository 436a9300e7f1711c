// What a page does beyond being read: it follows what happens, chooses all rows, and listens to a few keys.
"use strict";

(() => {
  const trouble = document.getElementById("trouble");
  const parts = [...document.querySelectorAll("[data-live]")];
  const follows = parts.length > 0 || document.querySelector("[data-task]");

  const say = (text) => {
    trouble.textContent = text || "";
    trouble.hidden = !text;
  };

  // What is being read, pointed at or written in is not taken away from under the reader.
  const isInUse = (part) => part.contains(document.activeElement) && document.activeElement !== document.body;

  const take = (content) => {
    for (const part of parts) {
      const text = content.parts[part.dataset.live];
      if (text !== undefined && !isInUse(part)) part.innerHTML = text;
    }
    for (const [id, [state, word]] of Object.entries(content.tasks)) {
      for (const place of document.querySelectorAll(`[data-task="${CSS.escape(id)}"]`)) {
        const badge = place.querySelector(".live-state .state, .state");
        if (!badge || badge.classList.contains(state)) continue;
        badge.className = `state ${state}`;
        badge.textContent = word;
        badge.closest("td, h1")?.classList.add("fresh");
      }
    }
    say(content.trouble);
  };

  let stream = null;
  const follow = () => {
    if (!follows || stream) return;
    const names = [...new Set(parts.map((part) => part.dataset.live))];
    stream = new EventSource(`/live?parts=${names.join(",")}`);
    stream.onmessage = (message) => take(JSON.parse(message.data));
  };
  const rest = () => {
    stream?.close();
    stream = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : follow()));
  window.addEventListener("pagehide", rest);
  if (!document.hidden) follow();

  for (const all of document.querySelectorAll("[data-all]")) {
    all.hidden = false;
    all.addEventListener("change", () => {
      for (const each of all.closest("table").querySelectorAll("tbody input[type=checkbox]")) each.checked = all.checked;
    });
  }

  const keys = document.getElementById("keys");
  const button = document.getElementById("keys-button");
  if (!keys) return;
  button.hidden = false;
  button.addEventListener("click", () => keys.showModal());
  const places = { d: "/", t: "/tasks", q: "/queues", b: "/batches", s: "/schedules", x: "/dead" };
  let waits = 0;
  document.addEventListener("keydown", (event) => {
    const writes = event.target.closest("input, select, textarea, dialog");
    if (writes || event.ctrlKey || event.metaKey || event.altKey) return;
    if (Date.now() < waits && places[event.key]) {
      location.href = places[event.key];
    } else if (event.key === "g") {
      waits = Date.now() + 1000;
      return;
    } else if (event.key === "n") {
      location.href = "/submit";
    } else if (event.key === "?") {
      keys.showModal();
    } else if (event.key === "/" && document.getElementById("search")) {
      event.preventDefault();
      document.getElementById("search").focus();
    }
    waits = 0;
  });
})();
