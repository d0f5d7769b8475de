// What the panel does beyond links and forms. Everything works without it.
"use strict";

(() => {
  const MINUTE = 60e3, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
  const $ = (selector) => document.querySelector(selector);

  // Times stay true while a page is open. The server's clock counts: ours may be wrong.
  const drift = Date.parse(document.documentElement.dataset.now) - Date.now() || 0;
  const ago = (span) => {
    if (span < MINUTE) return "just now";
    if (span < HOUR) return `${Math.floor(span / MINUTE)} min ago`;
    if (span < DAY) return `${Math.floor(span / HOUR)} h ago`;
    return null;
  };
  const tellTimes = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const words = ago(Date.now() + drift - Date.parse(time.dateTime));
      if (words) time.textContent = words;
    }
  };
  setInterval(tellTimes, MINUTE / 2);

  // Keys, never while somebody writes.
  const PAGES = { o: "/", a: "/activity", l: "/aliases", d: "/domains", q: "/queue" };
  const ROWS = ".rows a.row, .rows .row a.address";
  const move = (step) => {
    const rows = [...document.querySelectorAll(ROWS)];
    const at = rows.indexOf(document.activeElement);
    rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)]?.focus();
  };
  let before = "";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const led = before === "g";
    before = event.key;
    if (led && Object.hasOwn(PAGES, event.key)) {
      location.href = PAGES[event.key];
      return;
    }
    if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
    const search = $("input[type=search]"), fresh = $("#new-alias");
    if (event.key === "/" && search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "n" && fresh) {
      event.preventDefault();
      fresh.click();
    }
  });

  // The log as it happens: new rows are counted in a bar, rows that are shown change in place; nothing jumps.
  const list = $("[data-live]");
  if (!list || !window.EventSource) return;
  const bar = $("#new"), paused = $("#paused"), unseen = new Set();
  const source = new EventSource(list.dataset.live);
  source.addEventListener("row", (event) => {
    const row = JSON.parse(event.data);
    const shown = document.getElementById(`m-${row.id}`);
    if (shown) {
      const status = shown.querySelector(".status");
      status.className = `status ${row.tone}`;
      status.querySelector("use").setAttribute("href", `#i-${row.icon}`);
      status.querySelector("span").textContent = row.word;
      shown.classList.add("fresh");
      return;
    }
    unseen.add(row.id);
    bar.textContent = `${unseen.size} new`;
    bar.hidden = false;
  });
  source.addEventListener("open", () => {
    paused.hidden = true;
    list.dataset.open = "yes";
  });
  source.addEventListener("error", () => { paused.hidden = false; });
  addEventListener("pagehide", () => source.close());
})();
