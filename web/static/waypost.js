// What the panel does beyond links and forms. Everything works without it.
"use strict";

(() => {
  const MINUTE = 60e3, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
  const $ = (selector) => document.querySelector(selector);

  // Times stay true while a page is open, and are told in the reader's zone. The server's clock counts: ours may be wrong.
  const drift = Date.parse(document.documentElement.dataset.now) - Date.now() || 0;
  const ago = (span) => {
    if (span < MINUTE) return "just now";
    if (span < HOUR) return `${Math.floor(span / MINUTE)} min ago`;
    if (span < DAY) return `${Math.floor(span / HOUR)} h ago`;
    return null;
  };
  const stamp = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
  const tellTimes = () => {
    for (const time of document.querySelectorAll("time")) {
      const at = Date.parse(time.dateTime), full = stamp.format(at);
      if (time.title) time.title = full;
      const words = "ago" in time.dataset ? ago(Date.now() + drift - at) : full;
      if (words) time.textContent = words;
    }
  };
  setInterval(tellTimes, MINUTE / 2);

  // The domain that is chosen is shown at once, without a button.
  $("#by-domain")?.addEventListener("change", (event) => event.target.form.submit());
  $(".by-domain button")?.remove();

  // What a list does, it does in place: the page that a form would load is fetched, and the parts that it changes are put
  // in. What was chosen stays chosen, and the focus stays on its row. An answer without the list is shown as it is.
  let asked;
  const swap = async (parts, url, init) => {
    asked?.abort();
    asked = new AbortController();
    const answer = await fetch(url, { ...init, signal: asked.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [at, of] = [row()?.id, document.activeElement?.className];
    const chosen = [...document.querySelectorAll("[name=id]:checked")].map((box) => box.value);
    for (const part of page.getElementById("found") ? parts : ["main"]) {
      document.getElementById(part).replaceChildren(...page.getElementById(part).childNodes);
    }
    // What is wrong with a field is said of the field itself, which stays.
    for (const field of instant?.querySelectorAll("[id]:is(input, textarea)") ?? []) {
      for (const name of ["aria-invalid", "aria-describedby"]) {
        const told = page.getElementById(field.id)?.getAttribute(name);
        if (told) field.setAttribute(name, told); else field.removeAttribute(name);
      }
    }
    for (const box of document.querySelectorAll("[name=id]")) box.checked = chosen.includes(box.value);
    if (at) document.getElementById(at)?.querySelector(of === "switch" ? ".switch" : "a.address")?.focus();
    enliven();
    return answer;
  };
  // Who presses a button twice means it once: what it does comes by its place, whatever it says by then.
  const TWICE = 600;
  let pressed = { at: -TWICE };
  addEventListener("submit", (event) => {
    const { target: form, submitter: by, timeStamp: at } = event;
    if (form.getAttribute("method") !== "post") return;
    const what = by?.getAttribute("formaction") ?? form.getAttribute("action") + (by?.value ?? "");
    if (what === pressed.what && at - pressed.at < TWICE) event.stopImmediatePropagation(), event.preventDefault();
    else pressed = { what, at };
  }, true);
  const later = (form) => (error) => { if (error.name !== "AbortError") form.submit(); };
  document.addEventListener("submit", (event) => {
    const { target: form, submitter: by } = event;
    // By its attributes: a field that is named id or action hides the form's own.
    const of = (name) => form.getAttribute(name);
    if (!$("#found") || of("method") !== "post" || !(of("id") === "list" || form.closest("[data-toast]"))) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, by));
    swap(["told", "found"], by.getAttribute("formaction") ?? of("action"), { method: "POST", body }).then((answer) => {
      if (by.name === "what" && answer.ok) for (const box of document.querySelectorAll("[name=id]")) box.checked = false;
      $("#told .notice:not(.toast)")?.scrollIntoView({ block: "nearest" });
      $("#list [aria-invalid]")?.focus();
      if (answer.ok && answer.redirected) history.replaceState(null, "", answer.url);
    }).catch(later(form));
  });

  // A file that is chosen is read into the field of what is pasted.
  const file = $("[data-into]");
  if (file) {
    file.parentElement.hidden = false;
    file.addEventListener("change", async () => {
      const [chosen] = file.files;
      file.setCustomValidity(chosen?.size > file.dataset.max ? file.dataset.large : "");
      if (chosen && file.reportValidity()) document.getElementById(file.dataset.into).value = await chosen.text();
    });
  }

  // Searching while typing stops.
  const instant = $("form[data-instant]");
  let typing;
  instant?.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const asks = [...new FormData(instant)].filter(([, value]) => value);
      const url = `${instant.getAttribute("action")}?${new URLSearchParams(asks)}`;
      const faults = [...instant.querySelectorAll("[data-fault]")].map((part) => part.id);
      swap(["found", ...faults], url).then(() => {
        history.replaceState(null, "", url);
        const told = $("#found .verdict, #found [role=alert]")?.textContent.trim();
        $("#heard").textContent = told ?? `${document.querySelectorAll(".rows > li").length} shown`;
      }).catch(later(instant));
    }, 150);
  });

  // What comes with a page or a part of one: choosing all, a notice that goes.
  const enliven = () => {
    tellTimes();
    const all = $("[data-all]"), boxes = () => document.querySelectorAll("[name=id]");
    if (all) {
      all.hidden = false;
      all.onchange = () => { for (const box of boxes()) box.checked = all.firstElementChild.checked; };
      const count = () => {
        const n = document.querySelectorAll("[name=id]:checked").length;
        for (const part of n ? document.querySelectorAll("[data-count]") : []) {
          part.hidden = false;
          part.textContent = part.matches("output") ? `${n} selected` : n === 1 ? "1 alias" : `${n} aliases`;
        }
      };
      $("#list").onchange = count;
      count();
      const more = $("[data-narrow]");
      if (matchMedia("(max-width: 760px)").matches && ![...more.querySelectorAll("input")].some((field) => field.value || field.ariaInvalid)) more.open = false;
    }
    const toast = $("[data-toast]");
    if (!toast) return;
    toast.classList.add("toast");
    const leave = () => { if (toast.matches(":hover, :focus-within")) setTimeout(leave, 2e3); else toast.remove(); };
    setTimeout(leave, 10e3);
  };
  enliven();

  // Keys, never while somebody writes, and never for who switched them off. This is their one table.
  const ROWS = ".rows a.row, .rows .row a.address";
  const row = () => document.activeElement?.closest(".rows > li");
  const move = (step) => {
    const rows = [...document.querySelectorAll(ROWS)];
    const at = rows.indexOf(row()?.querySelector("a.row, a.address"));
    rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)]?.focus();
  };
  const go = (path) => () => { location.href = path; };
  const inRow = (part) => () => row()?.querySelector(part)?.click();
  const fresh = () => { if ($("#new-alias")) $("#new-alias").click(); else location.href = "/aliases?new=1"; };
  const KEYS = [
    ["/", "Search", () => $("input[type=search]")?.focus()],
    ["n", "New alias", fresh],
    ["j", "Next row", () => move(1)],
    ["k", "Row before", () => move(-1)],
    ["Enter", "Open the row", null],
    ["x", "Select the row", inRow("input[type=checkbox]")],
    ["e", "Switch the row's alias", inRow(".switch")],
    ["u", "Undo", () => $(".notice form button")?.click()],
    ["g o", "Overview", go("/")],
    ["g a", "Activity", go("/activity")],
    ["g l", "Aliases", go("/aliases")],
    ["g d", "Domains", go("/domains")],
    ["g q", "Queue", go("/queue")],
    ["?", "This list", () => listKeys()],
  ];
  const keysAre = (word) => {
    try {
      if (word) localStorage.setItem("keys", word);
      return localStorage.getItem("keys") ?? "on";
    } catch { return word ?? "on"; }
  };
  const listKeys = () => {
    let list = $("#keys");
    if (!list) {
      list = document.createElement("dialog");
      list.id = "keys";
      list.setAttribute("aria-labelledby", "keys-title");
      list.innerHTML = `<h2 id="keys-title">Keys</h2><dl class="facts">${KEYS.map(([key, words]) =>
        `<dt><kbd>${key}</kbd></dt><dd>${words}</dd>`).join("")}</dl><form method="dialog">
        <label class="check"><input type="checkbox" id="keys-on"> Keys work in this browser</label>
        <button class="button">Close</button></form>`;
      document.body.append(list);
      $("#keys-on").addEventListener("change", (event) => keysAre(event.target.checked ? "on" : "off"));
    }
    $("#keys-on").checked = keysAre() === "on";
    list.showModal();
  };
  if ($("#list-keys")) {
    $("#list-keys").hidden = false;
    $("#list-keys").addEventListener("click", listKeys);
  }
  let led = "";
  document.addEventListener("keydown", (event) => {
    if (!$(".rail") || keysAre() === "off" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea, dialog")) return;
    const pressed = KEYS.find(([key]) => key === led + event.key);
    led = !led && event.key === "g" ? "g " : "";
    if (!pressed?.[2]) return;
    event.preventDefault();
    pressed[2]();
  });

  // What a person needs elsewhere is copied; the button says so for a while.
  const offer = () => document.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = !navigator.clipboard; });
  offer();
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2e3);
  });

  // What others change meanwhile (DNS, a mail on its way) is asked for again while it is looked at, and put in its place.
  const AGAIN = 5e3;
  // Where nothing but a time is new, only that is changed: what somebody is about to copy stays selected.
  const bare = (part) => part.innerHTML.replace(/<time.*?<\/time>/gs, "").replace(/ (hidden|open)=""/g, "");
  const isWritten = (part) => part.querySelector("[aria-invalid]") || [...part.querySelectorAll("input")].some((field) => field.value !== field.defaultValue);
  const again = async () => {
    const part = $("[data-again]");
    if (!part) return;
    if (!document.hidden) {
      try {
        const answer = await fetch(part.dataset.again);
        if (answer.redirected) location.href = answer.url;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
        if (fresh && bare(fresh) === bare(part)) {
          const times = part.querySelectorAll("time");
          fresh.querySelectorAll("time").forEach((time, index) => times[index]?.replaceWith(time));
          tellTimes();
        } else if (fresh && !part.matches(":active") && !isWritten(part)) {
          const open = [...part.querySelectorAll("details[open] > summary")].map((each) => each.textContent);
          const focused = part.contains(document.activeElement) && document.activeElement.id;
          part.replaceWith(fresh);
          for (const each of fresh.querySelectorAll("summary")) each.parentElement.open ||= open.includes(each.textContent);
          if (focused) document.getElementById(focused)?.focus();
          offer();
          tellTimes();
        }
      } catch { /* The next look may fare better. */ }
    }
    setTimeout(again, AGAIN);
  };
  setTimeout(again, 1e3);

  // The log as it happens: new rows are counted in a bar, rows that are shown change in place; nothing jumps.
  const list = $("[data-live]");
  if (!list || !window.EventSource) return;
  const bar = $("#new"), paused = $("#paused"), unseen = new Set();
  // What tells more than a word of a message is read anew. An answer that a later one has overtaken is not put in.
  let begun = 0, put = 0;
  const renew = async () => {
    const turn = ++begun;
    try {
      const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
      const fresh = page.querySelector("[data-live]");
      if (!fresh || turn < put) return;
      put = turn;
      list.innerHTML = fresh.innerHTML;
      tellTimes();
    } catch { /* The next change is read anew again. */ }
  };
  const source = new EventSource(list.dataset.live);
  source.addEventListener("row", (event) => {
    const row = JSON.parse(event.data);
    const shown = document.getElementById(`m-${row.id}`);
    if ("renew" in list.dataset) {
      if (shown) renew();
      return;
    }
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
