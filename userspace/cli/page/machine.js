// The page of one machine.
function drawMachineHead() {
  const { subscription, resource_group: group, vm, scale_set: set } = report.machine;
  document.title = `Callers of the legacy token endpoint on ${report.host}`;
  const names = [vm ? `VM ${vm}` : "", set ? `scale set ${set}` : "", group ? `resource group ${group}` : "",
    subscription ? `subscription ${subscription}` : ""];
  place("made", [report.host, ...names, dateTime(report.made)].filter(Boolean).join(" \u00b7 "));
  drawVerdict(report.verdict.kind, report.verdict.text, report.verdict.reasons);
}

function drawMachineTiles() {
  const named = callers.filter((caller) => !caller.row.is_others);
  const more = named.length < callers.length ? "+" : "";
  const active = callers.filter((caller) => report.made - caller.row.last_seen <= report.quiet_days * DAY).length;
  const last = Math.max(0, ...callers.map((caller) => caller.row.last_seen));
  const latest = callers.find((caller) => caller.row.last_seen === last);
  const { stage, extension } = report.machine;
  place("tiles",
    tile("Callers", format(named.length) + more, `${format(active)} in the last ${plural(report.quiet_days, "day")}`),
    tile(`Requests in ${DAY_COUNT} days`, format(sum(callers.map((caller) => caller.recentTotal))),
      `${format(sum(callers.map((caller) => caller.row.requests)))} in all`),
    tile("Last request", latest ? ago(last) : "none", latest ? latest.short : ""),
    tile("Recording since", begin === Infinity ? "not yet" : date(begin),
      begin === Infinity ? "" : plural(Math.floor((report.made - begin) / DAY), "day")),
    tile("Stage", (stage || "not known").replace("_", " "), `extension: ${extension || "not known"}`));
}

function outcomes(row) {
  return Object.entries(row.outcomes).filter(([, requests]) => requests > 0).map(([name, requests]) =>
    element("div", { class: name === "token" || name === "observed" ? "nowrap" : "nowrap bad" },
      `${name.replace("_", " ")} ${format(requests)}`));
}


const users = (row) => row.users.map((user) => user.user || `uid ${user.uid}`).join(", ") + (row.has_more_users ? ", ..." : "");

function drawMachine() {
  drawMachineHead();
  drawMachineTiles();
  drawDays();
  drawResources();
  drawCallers([
    { label: "Caller", key: (caller) => `${caller.title}\n${caller.subtitle}`,
      cell: (caller) => who(caller, fact("Last process", caller.row.pid ? String(caller.row.pid) : "")) },
    { label: "Users", key: (caller) => users(caller.row), cell: (caller) => textCell("Users", users(caller.row)) },
    REQUESTS,
    DAYS,
    LOOKS_LIKE,
    { label: "Outcomes", key: (caller) => caller.row.requests - caller.row.outcomes.token - caller.row.outcomes.observed,
      largestFirst: true, cell: (caller) => element("td", { "data-label": "Outcomes" }, element("div", {}, ...outcomes(caller.row))) },
    FIRST_SEEN,
    LAST_SEEN,
  ], 7);
  place("footer", `Made by msi2imds callers${report.running ? "" : " from the state file; msi2imds was not running"}. Days are those of UTC. This page loads nothing.`);
}
