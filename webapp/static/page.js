// What the page does by itself: it takes in new results without a reload, tells how old things are, marks what
// is stale, and lets a selector act at once. Without it the page still shows everything and every form works.
"use strict";

const POLL_SECONDS = 5;
const WAITING_POLL_SECONDS = 1.5; // while a first run or a run that was asked for is under way
const main = document.getElementById("view");
let etag = main.dataset.etag;
let asked = Date.now();
let reached = true;
let timer;
let allRows = false;

// News

function liveAddress() {
  const address = new URL(location.href);
  address.pathname = "/live" + address.pathname;
  address.hash = "";
  if (allRows) address.searchParams.set("rows", "all");
  return address;
}

async function look() {
  clearTimeout(timer);
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await fetch(liveAddress(), { headers, cache: "no-store", redirect: "error" });
    if (response.status === 401) return location.reload(); // signed out elsewhere
    if (response.status === 200) {
      takeIn(await response.text());
      etag = response.headers.get("ETag");
    } else if (response.status !== 304) {
      throw new Error(response.status);
    }
    asked = Date.now();
    reached = true;
  } catch {
    reached = false;
  }
  tick();
  lookLater();
}

function lookLater() {
  const waiting = main.querySelector("[data-waiting]");
  timer = setTimeout(look, 1000 * (waiting ? WAITING_POLL_SECONDS : POLL_SECONDS));
}

// Replaces each live part by its new self; what a person has opened, ticked or focused stays so.
function takeIn(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const open = keys(main.querySelectorAll("details[open]"));
  const ticked = keys(main.querySelectorAll("input[type=checkbox]:checked"));
  const focused = document.activeElement && keyOf(document.activeElement);
  const before = newest();
  for (const part of main.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other) part.replaceWith(document.adoptNode(other));
  }
  for (const details of main.querySelectorAll("details")) details.open = open.has(keyOf(details));
  for (const box of main.querySelectorAll("input[type=checkbox]")) box.checked = ticked.has(keyOf(box));
  if (focused && document.activeElement === document.body) {
    [...main.querySelectorAll("a, input, summary, button")].find((each) => keyOf(each) === focused)?.focus();
  }
  if (before && before !== newest()) document.getElementById("news").textContent = "New results have arrived.";
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

const secondsSince = (moment) => (Date.now() - new Date(moment)) / 1000;

function tick() {
  const status = document.getElementById("live-text");
  const age = ago((Date.now() - asked) / 1000);
  status.textContent = reached ? `updated ${age}` : `no connection, updated ${age}`;
  status.parentElement.classList.toggle("lost", !reached);
  for (const time of main.querySelectorAll("time[data-age]")) {
    if (!time.title) time.title = time.textContent;
    const words = ago(secondsSince(time.dateTime));
    if (time.textContent !== words) time.textContent = words;
  }
}

function markStale() {
  for (const table of main.querySelectorAll("[data-stale-after]")) {
    const limit = Number(table.dataset.staleAfter);
    for (const row of table.tBodies[0].querySelectorAll("[data-llm]")) {
      const age = secondsSince(row.querySelector("time").dateTime);
      const badge = row.querySelector(".badge.stale");
      badge.hidden = age <= limit;
      badge.textContent = `stale: nothing new for ${ago(age).replace(" ago", "")}`;
      row.classList.toggle("is-stale", age > limit);
    }
  }
}

// Selectors, the rest of the rows, and the choice of what to compare

function prepare() {
  tick();
  markStale();
  countChosen();
  const more = main.querySelector("[data-more]");
  if (more) new IntersectionObserver(showAll, { rootMargin: "200px" }).observe(more);
  document.dispatchEvent(new Event("charts-changed"));
}

function showAll(entries, observer) {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  observer.disconnect();
  allRows = true;
  etag = null;
  look();
}

function countChosen() {
  const button = main.querySelector("[data-comparing]");
  if (!button) return;
  const chosen = main.querySelectorAll("input[name=llm]:checked").length;
  button.disabled = chosen < 2 || chosen > 5;
  button.textContent = chosen < 2 ? "Tick two to five to compare" : chosen > 5 ? "At most five" : `Compare ${chosen} LLMs`;
}

// A field that says nothing would only lengthen the address.
function leaveOutEmpty(form) {
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-filters]");
  if (form) form.requestSubmit();
  if (event.target.matches("input[name=llm]")) countChosen();
});
document.addEventListener("submit", (event) => leaveOutEmpty(event.target));
// Back from another page: the browser may have kept this one as it was, selectors and all.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form")) {
    for (const field of form.elements) field.disabled = false;
    form.reset();
  }
  countChosen();
  look();
});
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) look();
});

prepare();
lookLater();
setInterval(tick, 1000);
setInterval(markStale, 10000);
