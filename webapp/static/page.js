// Merges in new results without a reload, shows ages, marks stale rows, and applies filters when they change.
// Without this script the page still shows everything, and every form works.
"use strict";

const POLL_SECONDS = 5;
const WAITING_POLL_SECONDS = 1.5; // while a first run, or one on demand, is queued or running
const main = document.getElementById("view");
let etag = main.dataset.etag;
let updated = Date.now();
let connected = true;
let timer;
let allRows = false;

// New results

function liveAddress() {
  const address = new URL(location.href);
  address.pathname = main.dataset.address;
  address.hash = "";
  // A poll continues what the page shows, even if its address names no series and another is measured first.
  const shown = main.querySelector("[data-source]");
  if (shown) for (const name of ["source", "scenario"]) address.searchParams.set(name, shown.dataset[name]);
  if (shown) address.searchParams.delete("region"); // part of that scenario
  if (allRows) address.searchParams.set("rows", "all");
  return address;
}

async function poll() {
  clearTimeout(timer);
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await fetch(liveAddress(), { headers, cache: "no-store", redirect: "error" });
    if (response.status === 401) return location.reload(); // signed out elsewhere
    if (response.status === 200) {
      merge(await response.text());
      etag = response.headers.get("ETag");
    } else if (response.status !== 304) {
      throw new Error(response.status);
    }
    showNotices(JSON.parse(response.headers.get("X-Notices") ?? "[]"));
    showOpenIncidents(response.headers.get("X-Open-Incidents"));
    updated = Date.now();
    connected = true;
  } catch {
    connected = false;
  }
  tick();
  pollLater();
}

function showNotices(texts) {
  const notices = document.getElementById("notices");
  const shown = [...notices.children].map((notice) => notice.textContent);
  if (shown.join("\n") === texts.join("\n")) return; // a screen reader would read them again
  notices.replaceChildren(
    ...texts.map((text) => Object.assign(document.createElement("p"), { className: "notice", textContent: text })),
  );
}

function showOpenIncidents(number) {
  if (number === null) return; // the server cannot say
  const count = document.getElementById("open-incidents");
  count.hidden = number === "0";
  count.textContent = number;
}

function pollLater() {
  const waiting = main.querySelector("[data-waiting]");
  timer = setTimeout(poll, 1000 * (waiting ? WAITING_POLL_SECONDS : POLL_SECONDS));
}

// Replaces each live part with its new version; keeps what is open, selected or focused.
function merge(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const open = keys(main.querySelectorAll("details[open]"));
  const selected = keys(main.querySelectorAll("input[type=checkbox]:checked"));
  const focused = document.activeElement && keyOf(document.activeElement);
  const before = newest();
  for (const part of main.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other) part.replaceWith(document.adoptNode(other));
  }
  for (const details of main.querySelectorAll("details")) details.open = open.has(keyOf(details));
  for (const box of main.querySelectorAll("input[type=checkbox]")) box.checked = selected.has(keyOf(box));
  if (focused && document.activeElement === document.body) {
    [...main.querySelectorAll("a, input, summary, button")].find((each) => keyOf(each) === focused)?.focus();
  }
  if (before && before !== newest()) document.getElementById("news").textContent = "New results";
  prepare();
}

const keys = (elements) => new Set([...elements].map(keyOf));

function keyOf(element) {
  return element.dataset?.key || element.getAttribute?.("href") || element.value || element.textContent;
}

function newest() {
  const times = [...main.querySelectorAll("time[data-age]")].map((time) => time.dateTime);
  return times.sort().at(-1);
}

// Ages

function ago(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

const secondsSince = (time) => (Date.now() - new Date(time)) / 1000;

function tick() {
  const status = document.getElementById("live-text");
  const age = ago((Date.now() - updated) / 1000);
  status.textContent = connected ? `Updated ${age}` : `Disconnected, updated ${age}`;
  status.parentElement.classList.toggle("lost", !connected);
  for (const time of main.querySelectorAll("time[data-age]")) {
    if (!time.title) time.title = time.textContent;
    const text = ago(secondsSince(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

function markStale() {
  for (const table of main.querySelectorAll("[data-stale-after]")) {
    const limit = Number(table.dataset.staleAfter);
    for (const row of table.tBodies[0].querySelectorAll("[data-llm]")) {
      const age = secondsSince(row.querySelector("time").dateTime);
      const badge = row.querySelector(".badge.stale");
      badge.hidden = age <= limit;
      badge.textContent = `Stale: no new data for ${ago(age).replace(" ago", "")}`;
      row.classList.toggle("is-stale", age > limit);
    }
  }
}

// Filters, the other rows, and the LLMs selected for comparison

function prepare() {
  tick();
  markStale();
  countSelected();
  const more = main.querySelector("[data-more]");
  if (more) new IntersectionObserver(showAll, { rootMargin: "200px" }).observe(more);
  document.dispatchEvent(new Event("charts-changed"));
}

function showAll(entries, observer) {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  observer.disconnect();
  allRows = true;
  etag = null;
  poll();
}

function countSelected() {
  const button = main.querySelector("[data-comparing]");
  if (!button) return;
  const selected = main.querySelectorAll("input[name=llm]:checked").length;
  button.disabled = selected < 2 || selected > 5;
  button.textContent = button.disabled ? "Select 2 to 5 LLMs to compare" : `Compare selected (${selected})`;
}

const DEPENDENT = { source: ["scenario", "region"], workload: ["api", "region", "kind"], api: ["region", "kind"], region: ["kind"] };

// Keeps empty fields out of the address.
function disableEmpty(form) {
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-filters]");
  // Another source has other scenarios and regions, another workload other levels; the server chooses.
  for (const name of (form && DEPENDENT[event.target.name]) ?? []) if (form.elements[name]) form.elements[name].disabled = true;
  if (form) form.requestSubmit();
  if (event.target.matches("input[name=llm]")) countSelected();
});
document.addEventListener("submit", (event) => disableEmpty(event.target));
// The browser may restore this page, with its changed filters, when someone navigates back.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form")) {
    for (const field of form.elements) field.disabled = false;
    form.reset();
  }
  countSelected();
  poll();
});
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) poll();
});

prepare();
pollLater();
setInterval(tick, 1000);
setInterval(markStale, 10000);
