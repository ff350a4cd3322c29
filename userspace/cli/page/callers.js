"use strict";
// Names in the report are whatever callers chose: they become text nodes and nothing else.
(() => {
  const DAY = 86400;
  const SERIES = 5;
  const SHOWN_RESOURCES = 12;
  const SVG = "http://www.w3.org/2000/svg";
  const report = JSON.parse(document.getElementById("report").textContent);
  const today = Math.floor(report.made / DAY);
  const dayCount = Math.min(92, Math.max(30, report.quiet_days));
  const firstDay = today - dayCount + 1;

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
    const recent = Array.from({ length: dayCount }, (_, i) => byDay.get(firstDay + i) || 0);
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
  const isRecorded = (day) => report.recorded.some(([from, to]) => from < (day + 1) * DAY && to >= day * DAY);
  const begin = report.recorded.length > 0 ? report.recorded[0][0] : null;
  const last = Math.max(0, ...callers.map((caller) => caller.row.last_seen));
  const noRequest = () =>
    element("p", { class: "empty" }, begin === null ? "Nothing has been recorded yet." : `No request since ${dateTime(begin)}.`);
  const swatch = (series) => element("span", { class: `swatch series-${series}` });

  function drawHead() {
    document.title = `Callers of the legacy token endpoint on ${report.host}`;
    place("made", `${report.host} \u00b7 ${dateTime(report.made)}`);
    const [headline, ...rest] = report.verdict.text.split(": ");
    const text = rest.join(": ");
    document.getElementById("verdict").className = report.verdict.kind;
    place("verdict", element("div", {},
      element("strong", {}, headline[0].toUpperCase() + headline.slice(1)),
      element("p", {}, text[0].toUpperCase() + text.slice(1) + "."),
      element("ul", {}, ...report.verdict.reasons.map((reason) => element("li", {}, reason)))));
  }

  function drawTiles() {
    const tile = (label, value, note) => element("div", { class: "tile" },
      element("div", { class: "small muted" }, label), element("div", { class: "value" }, value),
      element("div", { class: "small muted" }, note));
    const named = callers.filter((caller) => !caller.row.is_others);
    const more = named.length < callers.length ? "+" : "";
    const active = callers.filter((caller) => report.made - caller.row.last_seen <= dayCount * DAY).length;
    const latest = callers.find((caller) => caller.row.last_seen === last);
    place("tiles",
      tile("Callers", format(named.length) + more, `${format(active)} in the last ${dayCount} days`),
      tile(`Requests in ${dayCount} days`, format(sum(callers.map((caller) => caller.recentTotal))),
        `${format(sum(callers.map((caller) => caller.row.requests)))} in all`),
      tile("Last request", latest ? ago(last) : "none", latest ? latest.short : ""),
      tile("Recording since", begin === null ? "not yet" : date(begin),
        begin === null ? "" : plural(Math.floor((report.made - begin) / DAY), "day")));
  }

  // Callers with a colour of their own, then the rest as one.
  function series() {
    const shown = callers.filter((caller) => caller.series < SERIES && caller.recentTotal > 0)
      .map((caller) => ({ name: caller.short, days: caller.recent, index: caller.series }));
    const rest = callers.filter((caller) => caller.series === SERIES && caller.recentTotal > 0);
    if (rest.length > 0) {
      const days = Array.from({ length: dayCount }, (_, i) => sum(rest.map((caller) => caller.recent[i])));
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
      element("ul", {}, ...parts.filter((part) => part.days[day - firstDay] > 0).map((part) => element("li", {},
        swatch(part.index), element("span", { class: "name" }, part.name),
        element("span", { class: "number" }, format(part.days[day - firstDay]))))));
  }

  function daysChart(chart, parts) {
    const width = Math.max(280, chart.clientWidth);
    const height = 220;
    const top = 10;
    const bottom = height - 24;
    const totals = Array.from({ length: dayCount }, (_, i) => sum(parts.map((part) => part.days[i])));
    const step = niceStep(Math.max(...totals));
    const most = step * Math.max(1, Math.ceil(Math.max(...totals) / step));
    const left = 14 + 7 * format(most).length;
    const slot = (width - left) / dayCount;
    const y = (value) => bottom - (bottom - top) * value / most;
    const drawing = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `Requests per day, the last ${dayCount} days; the same numbers are in the table below` });
    for (let i = 0; i < dayCount; ++i) {
      if (!isRecorded(firstDay + i)) {
        drawing.append(shape("rect", { class: "gap", x: left + i * slot, y: top, width: slot, height: bottom - top }));
      }
    }
    for (let value = 0; value <= most; value += step) {
      drawing.append(shape("line", { x1: left, x2: width, y1: y(value), y2: y(value) }),
        shape("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)));
    }
    const everyDays = Math.ceil(64 / slot);
    for (let i = dayCount - 1; i >= 0; --i) {
      const x = left + i * slot;
      if ((dayCount - 1 - i) % everyDays === 0 && x > left + 16) {
        drawing.append(shape("text", { x: x + slot / 2, y: height - 5, "text-anchor": "middle" },
          shortDate(firstDay + i)));
      }
      let base = 0;
      for (const part of parts) {
        if (part.days[i] === 0) continue;
        const barHeight = y(base) - y(base + part.days[i]);
        drawing.append(shape("rect", { class: `series-${part.index}`, x: x + slot * 0.14, width: slot * 0.72,
          y: y(base + part.days[i]), height: Math.max(barHeight - (base > 0 ? 1 : 0), 0.5) }));
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
    for (let i = dayCount - 1; i >= 0; --i) {
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
    if (Array.from({ length: dayCount }, (_, i) => firstDay + i).some((day) => !isRecorded(day))) {
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
    const drawing = shape("svg", { class: "sparkline", viewBox: `0 0 ${dayCount} 24`, preserveAspectRatio: "none",
      role: "img", "aria-label": `${plural(caller.recentTotal, "request")} in ${dayCount} days` });
    caller.recent.forEach((requests, i) => {
      if (requests === 0) return;
      const height = Math.max(1.5, 24 * requests / most);
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

  function who(caller) {
    const row = caller.row;
    const line = (label, text) => (text ? [element("dt", {}, label), element("dd", {}, element("code", {}, text))] : []);
    const facts = [...line("Last command line", row.command_line), ...line("Container", row.container),
      ...line("Not known because", row.unknown_because), ...uses(row, "resources", "Resources"),
      ...uses(row, "identities", "Identities"), ...line("First request", dateTime(row.first_seen)),
      ...line("Last request", dateTime(row.last_seen)), ...line("Last process", row.pid ? String(row.pid) : "")];
    return element("td", { class: "who" }, element("div", { class: "unit" }, caller.title),
      caller.subtitle ? element("code", {}, caller.subtitle) : "",
      element("details", {}, element("summary", {}, "Details"), element("dl", {}, ...facts)));
  }

  function outcomes(row) {
    return Object.entries(row.outcomes).filter(([, requests]) => requests > 0).map(([name, requests]) =>
      element("div", { class: name === "token" || name === "observed" ? "nowrap" : "nowrap bad" },
        `${name.replace("_", " ")} ${format(requests)}`));
  }

  const users = (row) => row.users.map((user) => user.user || `uid ${user.uid}`).join(", ") + (row.has_more_users ? ", ..." : "");
  const COLUMNS = [
    { label: "Caller", key: (caller) => `${caller.title}\n${caller.subtitle}`, cell: who },
    { label: "Users", key: (caller) => users(caller.row),
      cell: (caller) => element("td", { "data-label": "Users" }, users(caller.row)) },
    { label: "Requests", number: true, key: (caller) => caller.row.requests,
      cell: (caller) => element("td", { class: "number", "data-label": "Requests" }, format(caller.row.requests)) },
    { label: `${dayCount} days`, key: (caller) => caller.recentTotal, number: false, largestFirst: true,
      cell: (caller) => element("td", { "data-label": `${dayCount} days` }, sparkline(caller)) },
    { label: "Outcomes", key: (caller) => caller.row.requests - caller.row.outcomes.token - caller.row.outcomes.observed,
      largestFirst: true, cell: (caller) => element("td", { "data-label": "Outcomes" }, element("div", {}, ...outcomes(caller.row))) },
    { label: "First seen", key: (caller) => caller.row.first_seen,
      cell: (caller) => element("td", { class: "nowrap", "data-label": "First seen" }, date(caller.row.first_seen)) },
    { label: "Last seen", key: (caller) => caller.row.last_seen, largestFirst: true,
      cell: (caller) => element("td", { class: "nowrap", "data-label": "Last seen", title: dateTime(caller.row.last_seen) },
        ago(caller.row.last_seen)) },
  ];

  function drawCallers() {
    if (callers.length === 0) {
      place("callers", noRequest());
      return;
    }
    const body = element("tbody");
    const heads = COLUMNS.map((column) => element("th", { scope: "col", class: column.number ? "number" : "" },
      element("button", { type: "button" }, column.label)));
    const rows = new Map(callers.map((caller) => [caller, element("tr", {}, ...COLUMNS.map((column) => column.cell(caller)))]));
    function sortBy(index, ascending) {
      const key = COLUMNS[index].key;
      const compare = (a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
      callers.sort((a, b) => (ascending ? compare(a, b) : compare(b, a)));
      body.append(...callers.map((caller) => rows.get(caller)));
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      heads[index].setAttribute("aria-sort", ascending ? "ascending" : "descending");
    }
    heads.forEach((head, index) => head.firstChild.addEventListener("click", () => {
      const sorted = head.getAttribute("aria-sort");
      const largestFirst = COLUMNS[index].number || COLUMNS[index].largestFirst || false;
      sortBy(index, sorted ? sorted === "descending" : !largestFirst);
    }));
    place("callers", element("table", { class: "callers" }, element("thead", {}, element("tr", {}, ...heads)), body));
    sortBy(COLUMNS.length - 1, false);
  }

  drawHead();
  drawTiles();
  drawDays();
  drawResources();
  drawCallers();
  place("footer", `Made by msi2imds callers${report.running ? "" : " from the state file; msi2imds was not running"}. Days are those of UTC. This page loads nothing.`);
})();
