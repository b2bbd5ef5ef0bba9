// Small conveniences on pages that work without them: copying, local and relative times, live rows, filters that
// apply at once, the theme without a reload.

const every = (selector, fn, root = document) => root.querySelectorAll(selector).forEach(fn);

// Copy: data-copy holds the text itself, data-copy-from the id of the element that shows it.
document.addEventListener("click", async (e) => {
  const button = e.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const from = button.dataset.copyFrom;
  const text = from ? document.getElementById(from).textContent : button.dataset.copy;
  const said = await copy(text) ? "Copied" : "Press Ctrl+C";
  const label = button.querySelector("[data-label]") ?? button;
  label.dataset.was ??= label.textContent;
  label.textContent = said;
  announce(said);
  setTimeout(() => { label.textContent = label.dataset.was; }, 1600);
});

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea"); // no clipboard on plain http
    area.value = text;
    area.className = "sr";
    document.body.append(area);
    area.select();
    const ok = document.execCommand("copy");
    area.remove();
    return ok;
  }
}

function announce(text) {
  const live = document.getElementById("announce");
  if (live) live.textContent = text;
}

// Times: the server writes UTC; the reader also gets their own time, and how long ago it was.
const stamp = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const steps = [[60, "s", 1], [3600, "m", 60], [86400, "h", 3600], [Infinity, "d", 86400]];

function relative(date) {
  const seconds = Math.round((Date.now() - date) / 1000);
  const size = Math.abs(seconds);
  if (size < 2) return "now";
  const [, unit, by] = steps.find(([limit]) => size < limit);
  const n = `${Math.floor(size / by)} ${unit}`;
  return seconds < 0 ? `in ${n}` : `${n} ago`;
}

function times(root = document) {
  every("time[datetime]", (t) => {
    const date = new Date(t.dateTime);
    if (!t.dataset.local) {
      t.dataset.local = "1";
      t.title = `${t.title}\n${stamp.format(date)}`;
    }
    if (t.hasAttribute("data-ago")) t.textContent = relative(date);
  }, root);
}

// Live rows: ask for the same page's rows; take them in at the top, or say how many there are when the reader is
// further down.
const list = document.querySelector("[data-live]");
let pending = null;
let etag = "";
let failures = 0;

async function refresh() {
  if (document.hidden) return;
  try {
    const headers = { "Voxagent-Fragment": "rows" };
    if (etag) headers["If-None-Match"] = etag;
    const res = await fetch(location.href, { headers, redirect: "error" });
    failures = 0;
    state("");
    if (res.status === 304) return;
    if (!res.ok) throw new Error(res.status);
    etag = res.headers.get("ETag") ?? "";
    take(await res.text());
  } catch {
    if (++failures > 1) state("paused");
  }
}

function state(name) {
  const live = document.querySelector(".live");
  if (!live) return;
  live.classList.toggle("paused", name === "paused");
  live.textContent = name === "paused" ? "not connected" : "live";
}

function take(html) {
  const page = document.createElement("template");
  page.innerHTML = html;
  const rows = page.content.querySelector("#rows");
  if (!rows) return;
  const old = document.getElementById("rows");
  const known = new Set(Array.from(old.querySelectorAll("[data-id]"), (r) => r.dataset.id));
  const added = Array.from(rows.querySelectorAll("[data-id]")).filter((r) => !known.has(r.dataset.id));
  const bar = document.getElementById("newbar");
  const reading = old.getBoundingClientRect().top < 0 || old.contains(document.activeElement);
  if (added.length && reading && bar) {
    pending = rows;
    bar.textContent = added.length === 1 ? "1 new attempt" : `${added.length} new attempts`;
    bar.hidden = false;
    return;
  }
  if (known.size) added.forEach((r) => r.classList.add("new"));
  show(rows);
}

function show(rows) {
  document.getElementById("rows").replaceWith(rows);
  document.getElementById("newbar")?.setAttribute("hidden", "");
  pending = null;
  times(rows);
}

document.getElementById("newbar")?.addEventListener("click", () => {
  if (!pending) return;
  show(pending);
  list.scrollIntoView({ block: "start" });
});

// Filters apply when a choice is made; their button is for readers without scripts.
every("form[data-auto]", (form) => {
  every("button", (b) => { b.hidden = true; }, form);
  form.addEventListener("change", () => form.requestSubmit());
  form.addEventListener("submit", () => every("select", (s) => { s.disabled = s.value === ""; }, form));
});

// Theme: the form sets a cookie and reloads; here it changes in place.
every("form[data-theme-form]", (form) => {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  form.elements.theme.value = dark === "dark" ? "light" : "dark";
  form.addEventListener("submit", async (e) => {
    const value = e.submitter?.value;
    if (!value) return;
    e.preventDefault();
    const root = document.documentElement;
    root.dataset.theme = value;
    e.submitter.value = value === "dark" ? "light" : "dark";
    await fetch(form.action, { method: "POST", body: new URLSearchParams({ theme: value, to: "/" }), redirect: "manual" });
  });
});

times();
setInterval(() => times(), 10000);
if (list) {
  setInterval(refresh, 2500);
  document.addEventListener("visibilitychange", refresh);
}
