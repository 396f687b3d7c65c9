"use strict";
// Asks for the counts of all workers about once in a second, and draws them.

const SECONDS = 60;
const board = document.querySelector(".board");
const minute = []; // of each look: how long it was after the last, and by the second: calls from a cache, that waited, and that computed; and their milliseconds
let before = null; // of each worker: its counts of a second ago
let beforeAt = 0;

const element = (id) => document.getElementById(id);
const whole = (number) => Math.round(number).toLocaleString("en");

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "-";
  for (const [unit, size] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]])
    if (seconds >= size) return `${(seconds / size).toPrecision(3).replace(/e\+.*/, "")} ${unit}`;
  return `${Math.round(seconds / 1e-9)} ns`;
}

function long(seconds) {
  return seconds < 120 ? `${seconds.toFixed(1)} s` : seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const add = (one, other) => (Array.isArray(one) ? one.map((number, place) => number + other[place]) : one + other);

/** The sum of several objects of numbers, and of lists of numbers. */
function sum(objects) {
  const total = {};
  for (const one of objects) for (const name in one) total[name] = name in total ? add(total[name], one[name]) : one[name];
  return total;
}

/** In percent; 100 only if it is all. */
const percent = (part, all) => (all ? `${(Math.floor((1000 * part) / all) / 10).toFixed(1)} %` : "-");

/** The seconds that half of the calls took less than. In a spread, each place is longer by the root of two. */
function median(spread) {
  let left = spread.reduce((total, number) => total + number, 0) / 2;
  if (!left) return NaN;
  for (const [place, number] of spread.entries()) {
    if (number >= left) return 2 ** ((place + left / number) / 2) * 1e-9;
    left -= number;
  }
}

/** Of all workers, by name of a function or tier. */
function byName(workers, kind) {
  const names = new Set(workers.flatMap((worker) => Object.keys(worker[kind])));
  return new Map([...names].map((name) => [name, sum(workers.map((worker) => worker[kind][name] ?? {}))]));
}

/** What was counted since the last look, of the workers that were there then too. */
function since(workers) {
  const found = { hits: 0, waits: 0, misses: 0, hit_seconds: 0, miss_seconds: 0 };
  for (const worker of workers) {
    const now = sum(Object.values(worker.functions));
    const then = before?.get(worker.worker);
    if (then) for (const name in found) found[name] += Math.max(0, now[name] - then[name]);
  }
  return found;
}

function make(name, attributes = {}, ...inside) {
  const made = name.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4)) : document.createElement(name);
  for (const attribute in attributes) made.setAttribute(attribute, attributes[attribute]);
  made.append(...inside);
  return made;
}

function bar(parts) {
  const all = parts.reduce((total, [, number]) => total + number, 0) || 1;
  return make("div", { class: "bar" }, ...parts.filter(([, number]) => number > 0).map(([kind, number]) => make("span", { class: kind, style: `width:${(100 * number) / all}%` })));
}

/** Stacked bars, one for each second of the last minute. */
function drawMinute(id, kinds) {
  const svg = element(id);
  const [all, high] = [Math.max(280, svg.clientWidth), 220];
  const [left, right, top, bottom] = [52, all - 4, 10, high - 24];
  const most = Math.max(10, ...minute.map((one) => kinds.reduce((total, [, name]) => total + one[name], 0)));
  const power = 10 ** Math.floor(Math.log10(most));
  const step = most / power > 5 ? 2 * power : most / power > 2 ? power : power / 2;
  const ceiling = Math.ceil(most / step) * step;
  const y = (value) => bottom - ((bottom - top) * value) / ceiling;
  const width = (right - left) / SECONDS;
  svg.setAttribute("viewBox", `0 0 ${all} ${high}`);
  svg.replaceChildren();
  for (let value = 0; value <= ceiling; value += step)
    svg.append(
      make("svg:line", { x1: left, x2: right, y1: y(value), y2: y(value) }),
      make("svg:text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, whole(value)),
    );
  for (const ago of [60, 40, 20])
    svg.append(make("svg:text", { x: right - ago * width, y: bottom + 18 }, `${ago} s ago`));
  svg.append(make("svg:text", { x: right, y: bottom + 18, "text-anchor": "end" }, "now"));
  minute.forEach((one, place) => {
    const x = right - (minute.length - place) * width;
    let under = 0;
    for (const [kind, name] of kinds) {
      const [from, to] = [y(under), y(under + one[name])];
      if (from > to) svg.append(make("svg:rect", { class: kind, x: x + 0.7, width: width - 1.4, y: to, height: from - to }));
      under += one[name];
    }
  });
}

function drawCharts() {
  drawMinute("calls", [["miss", "misses"], ["wait", "waits"], ["hit", "hits"]]);
  drawMinute("times", [["miss", "computing"], ["hit", "hitting"]]);
}

function drawFunctions(functions) {
  const rows = [...functions].map(([name, count]) => {
    const calls = count.hits + count.misses;
    const cached = count.hits - count.waits; // those who waited are among the hits
    const saved = (count.hits * count.miss_seconds) / count.misses - count.hit_seconds;
    const cells = [
      name,
      whole(calls),
      percent(cached, calls),
      bar([["hit", cached], ["wait", count.waits], ["miss", count.misses]]),
      whole(count.waits),
      whole(count.misses),
      duration(median(count.hit_spread)),
      duration(median(count.miss_spread)),
      Number.isFinite(saved) ? long(Math.max(0, saved)) : "-",
    ];
    return { calls, saved: Number.isFinite(saved) ? Math.max(0, saved) : 0, row: make("tr", { "data-function": name }, ...cells.map((cell) => make("td", {}, cell))) };
  });
  element("functions").tBodies[0].replaceChildren(...rows.map((one) => one.row));
  return rows.reduce((total, one) => total + one.saved, 0);
}

const SHOWN = {
  memory: ["hits", "misses", "stores", "deletes", "entries", "bytes", "expirations", "evictions", "refusals"],
  server: ["hits", "misses", "stores", "deletes", "errors", "timeouts", "rejections", "deletes_resent", "connections"],
};
const WHAT = { memory: "In each worker's memory", server: "On the server, for all workers" };

function drawTiers(tiers) {
  const cards = [...tiers].map(([name, count]) => {
    const asked = count.hits + count.misses;
    const facts = SHOWN[name].flatMap((fact) => [make("div", {}, make("dt", {}, fact.replace("_", " ")), make("dd", { "data-fact": fact }, whole(count[fact] ?? 0)))]);
    return make(
      "div",
      { "data-tier": name },
      make("h3", {}, WHAT[name]),
      make("p", { class: "soft" }, asked ? `${percent(count.hits, asked)} of ${whole(asked)} gets found a value` : "not asked yet"),
      bar([["hit", count.hits], ["miss", count.misses], ["error", count.errors ?? 0]]),
      make("dl", {}, ...facts),
    );
  });
  if (!cards.length) cards.push(make("p", { class: "soft" }, "These caches do not count."));
  element("tiers").replaceChildren(...cards);
}

function draw(told) {
  const now = performance.now();
  if (before) {
    const seconds = (now - beforeAt) / 1000;
    const found = since(told.workers);
    const second = {
      seconds,
      hits: Math.max(0, found.hits - found.waits) / seconds,
      waits: found.waits / seconds,
      misses: found.misses / seconds,
      hitting: (1000 * found.hit_seconds) / seconds,
      computing: (1000 * found.miss_seconds) / seconds,
    };
    minute.push(second);
    minute.splice(0, minute.length - SECONDS);
    element("per-second").textContent = whole(second.hits + second.waits + second.misses);
  }
  before = new Map(told.workers.map((worker) => [worker.worker, sum(Object.values(worker.functions))]));
  beforeAt = now;

  const functions = byName(told.workers, "functions");
  const all = sum(functions.values());
  const calls = all.hits + all.misses;
  element("share").textContent = percent(all.hits - all.waits, calls);
  element("saved").textContent = long(drawFunctions(functions));
  element("workers").textContent = told.workers.length;
  element("about").textContent = `quickcache ${told.version}, configuration "${told.configuration}". The sum of ${told.workers.length} workers since each of them started; this was told by worker ${told.answered_by}.`;
  drawTiers(byName(told.workers, "tiers"));
  drawCharts();
}

async function look() {
  try {
    const answer = await fetch(board.dataset.counts, { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    draw(await answer.json());
  } catch (error) {
    element("about").textContent = `No counts: ${error.message}. Another try follows.`;
  }
}

/** A second after the answer: looks in a fixed rhythm would come close upon each other after one that took long. */
async function keepLooking() {
  await look();
  setTimeout(keepLooking, 1000);
}

drawCharts();
addEventListener("resize", drawCharts);
keepLooking();
