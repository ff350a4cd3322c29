// Names in the report are whatever callers chose: they become text nodes and nothing else.
const DAY = 86400;
const SERIES = 5;
const SHOWN_RESOURCES = 12;
const DAY_COUNT = 92; // that are stored: three runs of a monthly job
const SVG = "http://www.w3.org/2000/svg";
const report = JSON.parse(document.getElementById("report").textContent);
const today = Math.floor(report.made / DAY);
const firstDay = today - DAY_COUNT + 1;
const isFleet = report.format === "msi2imds fleet";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}
const element = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const shape = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
const place = (id, ...children) => fill(document.getElementById(id), {}, children);

const format = (number) => number.toLocaleString("en-US");
const plural = (number, noun) => `${format(number)} ${noun}${number === 1 ? "" : "s"}`;
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const iso = (time) => new Date(time * 1000).toISOString();
const date = (time) => iso(time).slice(0, 10);
const dateTime = (time) => iso(time).slice(0, 16).replace("T", " ") + " UTC";
const shortDate = (day) =>
  new Date(day * DAY * 1000).toLocaleDateString("en-US", { month: "short", day: "numeric", timeZone: "UTC" });
function ago(time) {
  const seconds = report.made - time;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return plural(Math.floor(seconds / 60), "minute") + " ago";
  if (seconds < 2 * DAY) return plural(Math.floor(seconds / 3600), "hour") + " ago";
  return plural(Math.floor(seconds / DAY), "day") + " ago";
}

// What the rest of the page needs of a row, worked out once.
const callers = report.callers.map((row) => {
  const byDay = new Map(row.days);
  const recent = Array.from({ length: DAY_COUNT }, (_, i) => byDay.get(firstDay + i) || 0);
  const where = row.is_others ? "other callers" : row.unit || row.cgroup;
  const program = row.program || row.comm;
  const user = row.users.length > 0 ? row.users[0].user || `uid ${row.users[0].uid}` : "";
  const unknown = user ? `unknown program of ${user}` : "unknown caller";
  const short = [where, program.split("/").pop()].filter(Boolean).join(" \u00b7 ") || unknown;
  return { row, recent, recentTotal: sum(recent), title: where || program || unknown,
           subtitle: where ? program : "", short, series: SERIES };
});
callers.sort((a, b) => b.recentTotal - a.recentTotal || b.row.requests - a.row.requests);
callers.filter((caller) => !caller.row.is_others).slice(0, SERIES).forEach((caller, i) => { caller.series = i; });
// On how many machines each day was recorded.
const recordedOn = new Map(isFleet ? report.recorded_days : []);
const isRecorded = (day) => (isFleet ? recordedOn.has(day)
  : report.recorded.some(([from, to]) => from < (day + 1) * DAY && to >= day * DAY));
const begin = isFleet ? Math.min(...report.machines.map((machine) => machine.recorded_since || Infinity))
  : report.recorded.length > 0 ? report.recorded[0][0] : Infinity;
const noRequest = () =>
  element("p", { class: "empty" }, begin === Infinity ? "Nothing has been recorded yet." : `No request since ${dateTime(begin)}.`);
const swatch = (series) => element("span", { class: `swatch series-${series}` });

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const tile = (label, value, note) => element("div", { class: "tile" },
  element("div", { class: "small muted" }, label), element("div", { class: "value" }, value),
  element("div", { class: "small muted" }, note));
const textCell = (label, text) => element("td", { "data-label": label }, text);
const numberCell = (label, number) => element("td", { class: "number", "data-label": label }, format(number));

// "Still in use: 2 callers" is a headline and a sentence.
function drawVerdict(kind, text, more) {
  const [headline, ...rest] = text.split(": ");
  document.getElementById("verdict").className = kind;
  place("verdict", element("div", {},
    element("strong", {}, capital(headline)), element("p", {}, capital(rest.join(": ")) + "."),
    element("ul", {}, ...more.map((reason) => element("li", {}, reason)))));
}

function series() {
  const shown = callers.filter((caller) => caller.series < SERIES && caller.recentTotal > 0)
    .map((caller) => ({ name: caller.short, days: caller.recent, index: caller.series }));
  const rest = callers.filter((caller) => caller.series === SERIES && caller.recentTotal > 0);
  if (rest.length > 0) {
    const days = Array.from({ length: DAY_COUNT }, (_, i) => sum(rest.map((caller) => caller.recent[i])));
    shown.push({ name: rest.length === 1 ? rest[0].short : `${format(rest.length)} more`, days, index: SERIES });
  }
  return shown;
}

function niceStep(most) {
  const rough = Math.max(1, most / 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

function tooltip(day, parts) {
  const total = sum(parts.map((part) => part.days[day - firstDay]));
  return element("div", { class: "tooltip" },
    element("strong", {}, date(day * DAY)),
    element("div", { class: "muted" }, isRecorded(day) || total > 0 ? plural(total, "request") : "not recorded"),
    isFleet && isRecorded(day) ? element("div", { class: "muted" }, `recorded on ${plural(recordedOn.get(day), "machine")}`) : "",
    element("ul", {}, ...parts.filter((part) => part.days[day - firstDay] > 0).map((part) => element("li", {},
      swatch(part.index), element("span", { class: "name" }, part.name),
      element("span", { class: "number" }, format(part.days[day - firstDay]))))));
}

function daysChart(chart, parts) {
  const width = Math.max(280, chart.clientWidth);
  const height = 220;
  const top = 10;
  const bottom = height - 24;
  const totals = Array.from({ length: DAY_COUNT }, (_, i) => sum(parts.map((part) => part.days[i])));
  const step = niceStep(Math.max(...totals));
  const most = step * Math.max(1, Math.ceil(Math.max(...totals) / step));
  const left = 14 + 7 * format(most).length;
  const slot = (width - left) / DAY_COUNT;
  const y = (value) => bottom - (bottom - top) * value / most;
  const drawing = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Requests per day, the last ${DAY_COUNT} days; the same numbers are in the table below` });
  for (let i = 0; i < DAY_COUNT; ++i) {
    if (!isRecorded(firstDay + i)) {
      drawing.append(shape("rect", { class: "gap", x: left + i * slot, y: top, width: slot + 0.5, height: bottom - top }));
    }
  }
  for (let value = 0; value <= most; value += step) {
    drawing.append(shape("line", { x1: left, x2: width, y1: y(value), y2: y(value) }),
      shape("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)));
  }
  const everyDays = Math.ceil(64 / slot);
  for (let i = DAY_COUNT - 1; i >= 0; --i) {
    const x = left + i * slot;
    if ((DAY_COUNT - 1 - i) % everyDays === 0 && x > left + 16) {
      drawing.append(shape("text", { x: x + slot / 2, y: height - 5, "text-anchor": "middle" },
        shortDate(firstDay + i)));
    }
    let base = 0;
    for (const part of parts) {
      if (part.days[i] === 0) continue;
      // A job that runs once a month is seen beside one that asks all day.
      const barHeight = Math.max(y(base) - y(base + part.days[i]) - (base > 0 ? 1 : 0), 2);
      drawing.append(shape("rect", { class: `series-${part.index}`, x: x + slot * 0.14, width: slot * 0.72,
        y: Math.max(top, y(base) - (base > 0 ? 1 : 0) - barHeight), height: barHeight }));
      base += part.days[i];
    }
    const hit = shape("rect", { class: "hit", x, y: top, width: slot, height: bottom - top });
    hit.addEventListener("pointerenter", () => {
      const tip = tooltip(firstDay + i, parts);
      chart.append(tip);
      const wanted = x + slot + 6;
      tip.style.left = `${wanted + tip.offsetWidth > width ? Math.max(0, x - tip.offsetWidth - 6) : wanted}px`;
    });
    hit.addEventListener("pointerleave", () => chart.querySelectorAll(".tooltip").forEach((tip) => tip.remove()));
    drawing.append(hit);
  }
  chart.replaceChildren(drawing);
}

function daysTable(parts) {
  const cell = (value) => element("td", { class: "number" }, format(value));
  const rows = [];
  for (let i = DAY_COUNT - 1; i >= 0; --i) {
    const counts = parts.map((part) => part.days[i]);
    rows.push(element("tr", {}, element("td", { class: "nowrap" }, date((firstDay + i) * DAY),
      isRecorded(firstDay + i) ? "" : element("span", { class: "muted" }, " not recorded")), ...counts.map(cell), cell(sum(counts))));
  }
  const heads = [...parts.map((part) => part.name), "All"].map((name) => element("th", { class: "number" }, name));
  return element("details", { class: "wide" }, element("summary", {}, "Show as a table"),
    element("table", { class: "days" }, element("thead", {}, element("tr", {}, element("th", {}, "Day (UTC)"), ...heads)),
      element("tbody", {}, ...rows)));
}

function drawDays() {
  if (callers.length === 0) {
    place("days", noRequest());
    return;
  }
  const parts = series();
  const chart = element("div", { class: "chart" });
  const items = parts.map((part) => element("li", {}, swatch(part.index), element("span", { class: "name" }, part.name),
    element("span", { class: "muted" }, format(sum(part.days)))));
  if (Array.from({ length: DAY_COUNT }, (_, i) => firstDay + i).some((day) => !isRecorded(day))) {
    items.push(element("li", {}, element("span", { class: "swatch swatch-gap" }), element("span", { class: "muted" }, "not recorded")));
  }
  place("days", chart, element("ul", { class: "legend" }, ...items), daysTable(parts));
  new ResizeObserver(() => daysChart(chart, parts)).observe(chart);
  daysChart(chart, parts);
}

function drawResources() {
  const byName = new Map();
  const other = { name: "other resources", total: 0, parts: Array(SERIES + 1).fill(0) };
  const add = (entry, caller, requests) => {
    entry.total += requests;
    entry.parts[caller.series] += requests;
  };
  for (const caller of callers) {
    for (const use of caller.row.resources) {
      if (!byName.has(use.name)) byName.set(use.name, { name: use.name, total: 0, parts: Array(SERIES + 1).fill(0) });
      add(byName.get(use.name), caller, use.requests);
    }
    if (caller.row.other_resources) add(other, caller, caller.row.other_resources.requests);
  }
  const sorted = [...byName.values()].sort((a, b) => b.total - a.total);
  for (const entry of sorted.splice(SHOWN_RESOURCES)) {
    other.total += entry.total;
    entry.parts.forEach((requests, i) => { other.parts[i] += requests; });
  }
  if (other.total > 0) sorted.push(other);
  if (sorted.length === 0) {
    place("resources", callers.length === 0 ? noRequest() : element("p", { class: "empty" }, "No request named a resource."));
    return;
  }
  const most = Math.max(...sorted.map((entry) => entry.total));
  const bars = element("div", { class: "bars" });
  for (const entry of sorted) {
    const bar = element("span", { class: "bar" });
    bar.style.width = `${100 * entry.total / most}%`;
    entry.parts.forEach((requests, i) => {
      if (requests === 0) return;
      const part = element("span", { class: `series-${i}` });
      part.style.flexGrow = requests;
      bar.append(part);
    });
    bars.append(element("div", {}, element("span", { class: "name" }, entry.name), element("span", { class: "track" }, bar),
      element("span", { class: "number" }, format(entry.total))));
  }
  place("resources", bars, element("p", { class: "small muted" }, "Since recording began; colours as above."));
}

function sparkline(caller) {
  const most = Math.max(1, ...caller.recent);
  const drawing = shape("svg", { class: "sparkline", viewBox: `0 0 ${DAY_COUNT} 24`, preserveAspectRatio: "none",
    role: "img", "aria-label": `${plural(caller.recentTotal, "request")} in ${DAY_COUNT} days` });
  caller.recent.forEach((requests, i) => {
    if (requests === 0 && !isRecorded(firstDay + i)) {
      drawing.append(shape("rect", { class: "gap", x: i, y: 0, width: 1, height: 24 }));
    }
    if (requests === 0) return;
    const height = Math.max(4, 24 * requests / most);
    drawing.append(shape("rect", { x: i + 0.1, y: 24 - height, width: 0.8, height }));
  });
  return drawing;
}

function uses(row, name, most) {
  const list = row[name].map((use) => element("dd", {}, `${use.name} `,
    element("span", { class: "muted" }, `${format(use.requests)}, last ${ago(use.last_seen)}`)));
  const rest = row[`other_${name}`];
  if (rest) list.push(element("dd", { class: "muted" }, `others: ${format(rest.requests)}`));
  return list.length === 0 ? [] : [element("dt", {}, most), ...list];
}

const fact = (label, text) => (text ? [element("dt", {}, label), element("dd", {}, element("code", {}, text))] : []);

// Which libraries the requests look like, the most used one first, and the change that moves each to IMDS.
const libraries = (row) => Object.entries(row.libraries || {}).filter(([name]) => name in report.libraries_seen)
  .sort(([, a], [, b]) => b - a).map(([name, requests]) => ({ ...report.libraries_seen[name], requests }));
const looksLike = (caller) => libraries(caller.row).map((library) => library.name).join(", ");
const changes = (row) => libraries(row).flatMap((library) => [
  element("dt", {}, `Looks like ${library.name} (${format(library.requests)})`),
  element("dd", {}, library.change + ": ",
    element("a", { href: library.url, rel: "noreferrer", target: "_blank" }, "how that is done"))]);

function who(caller, more) {
  const row = caller.row;
  const facts = [...fact("Last command line", row.command_line), ...fact("Container", row.container),
    ...fact("Container's name", row.container_name), ...fact("Container's image", row.container_image),
    ...fact("Not known because", row.unknown_because), ...changes(row), ...uses(row, "resources", "Resources"),
    ...uses(row, "identities", "Identities"), ...fact("First request", dateTime(row.first_seen)),
    ...fact("Last request", dateTime(row.last_seen)), ...more];
  return element("td", { class: "who" }, element("div", { class: "unit" }, caller.title),
    caller.subtitle ? element("code", {}, caller.subtitle) : "",
    element("details", {}, element("summary", {}, "Details"), element("dl", {}, ...facts)));
}


// "3 of 92 days, 31 days apart at most": a job that runs once a month is no daily one that has stopped.
function frequency(caller) {
  const days = caller.recent.flatMap((requests, i) => (requests > 0 ? [i] : []));
  const pauses = days.slice(1).map((day, i) => day - days[i]);
  const longest = Math.max(0, ...pauses);
  return `${days.length} of ${DAY_COUNT} days` + (longest > 1 ? `, up to ${longest} days apart` : "");
}

const daysCell = (caller) => element("td", { "data-label": `${DAY_COUNT} days` }, element("div", {},
  sparkline(caller), element("div", { class: "small muted" }, frequency(caller))));

// A table that its heads sort; `columns` have a label, a key to sort by, and a cell.
function sortable(name, items, columns, first) {
  const body = element("tbody");
  const heads = columns.map((column) => element("th", { scope: "col", class: column.number ? "number" : "" },
    element("button", { type: "button" }, column.label)));
  const rows = new Map(items.map((item) => [item, element("tr", {}, ...columns.map((column) => column.cell(item)))]));
  function sortBy(index, ascending) {
    const key = columns[index].key;
    const compare = (a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
    items.sort((a, b) => (ascending ? compare(a, b) : compare(b, a)));
    body.append(...items.map((item) => rows.get(item)));
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[index].setAttribute("aria-sort", ascending ? "ascending" : "descending");
  }
  heads.forEach((head, index) => head.firstChild.addEventListener("click", () => {
    const sorted = head.getAttribute("aria-sort");
    const largestFirst = columns[index].number || columns[index].largestFirst || false;
    sortBy(index, sorted ? sorted === "descending" : !largestFirst);
  }));
  sortBy(first, !(columns[first].number || columns[first].largestFirst || false));
  return { rows, table: element("table", { class: name }, element("thead", {}, element("tr", {}, ...heads)), body) };
}

const LOOKS_LIKE = { label: "Looks like", key: looksLike, cell: (caller) => textCell("Looks like", looksLike(caller) || "not known") };
const FIRST_SEEN = { label: "First seen", key: (caller) => caller.row.first_seen,
  cell: (caller) => element("td", { class: "nowrap", "data-label": "First seen" }, date(caller.row.first_seen)) };
const LAST_SEEN = { label: "Last seen", key: (caller) => caller.row.last_seen, largestFirst: true,
  cell: (caller) => element("td", { class: "nowrap", "data-label": "Last seen", title: dateTime(caller.row.last_seen) },
    ago(caller.row.last_seen)) };
const REQUESTS = { label: "Requests", number: true, key: (caller) => caller.row.requests,
  cell: (caller) => numberCell("Requests", caller.row.requests) };
const DAYS = { label: `${DAY_COUNT} days`, key: (caller) => caller.recentTotal, largestFirst: true, cell: daysCell };

function drawCallers(columns, first) {
  place("callers", callers.length === 0 ? noRequest() : sortable("callers", callers, columns, first).table);
}
