// The page of many machines.
const machineName = (machine) => machine.vm || machine.host;
const verdictText = (machine) => machine.verdict.kind.replaceAll("_", " ");
const stageText = (machine) => (machine.stage || "not known").replaceAll("_", " ");

function drawFleetHead() {
  const machines = plural(report.machines.length, "machine");
  document.title = `Callers of the legacy token endpoint on ${machines}`;
  place("made", `${machines} \u00b7 ${dateTime(report.made)}`);
  drawVerdict(report.done ? "can_be_retired" : "in_use", report.answer, report.done_when ? [capital(report.done_when) + "."] : []);
  const names = [...new Set(report.machines.map(stageText))];
  const stages = names.map((name) =>
    `${name} ${format(report.machines.filter((machine) => stageText(machine) === name).length)}`);
  const quiet = report.machines.filter((machine) => machine.verdict.kind === "can_be_retired").length;
  place("tiles",
    tile("Machines", format(report.machines.length), stages.join(", ")),
    tile("Can be retired", format(quiet), `of ${plural(report.machines.length, "machine")}`),
    tile("Callers", format(callers.length), "programs in units"),
    tile(`Requests in ${DAY_COUNT} days`, format(sum(callers.map((caller) => caller.recentTotal))),
      `${format(sum(callers.map((caller) => caller.row.requests)))} in all`));
}

function drawLeftOut() {
  document.getElementById("left-out").hidden = report.left_out.length === 0;
  place("left-out", element("h2", {}, "Reports that were left out"),
    element("ul", {}, ...report.left_out.map((left) => element("li", { class: left.is_missed ? "bad" : "" },
      `${left.file}: ${left.reason}`))));
}

function machinesOf(caller) {
  const { machines, machine_count: count } = caller.row;
  const names = machines.map((index) => machineName(report.machines[index]));
  return fact("Machines", names.join(", ") + (names.length < count ? `, and ${format(count - names.length)} more` : ""));
}

const MACHINE_COLUMNS = [
  { label: "Machine", key: machineName, cell: (machine) => element("td", { class: "who" },
    element("div", { class: "unit" }, machineName(machine)),
    element("div", { class: "small muted" }, [machine.scale_set, machine.resource_group, machine.subscription].filter(Boolean).join(" \u00b7 "))) },
  { label: "Stage", key: stageText, cell: (machine) => textCell("Stage", stageText(machine)) },
  { label: "Extension", key: (machine) => machine.extension || "", cell: (machine) => textCell("Extension", machine.extension || "not known") },
  { label: "Verdict", key: verdictText, cell: (machine) => element("td", { "data-label": "Verdict", title: machine.verdict.text,
    class: machine.verdict.kind === "in_use" ? "bad" : "" }, verdictText(machine)) },
  { label: "Requests", number: true, key: (machine) => machine.requests_of_days,
    cell: (machine) => numberCell("Requests", machine.requests_of_days) },
  { label: "Last request", key: (machine) => machine.last_request || 0, largestFirst: true,
    cell: (machine) => textCell("Last request", machine.last_request ? ago(machine.last_request) : "none") },
  { label: "Next", key: (machine) => machine.next, cell: (machine) => textCell("Next", machine.next) },
];

function drawMachines() {
  document.getElementById("machines-card").hidden = false;
  const { rows, table } = sortable("callers", [...report.machines], MACHINE_COLUMNS, 0);
  const box = element("input", { type: "search", placeholder: "Find a machine, stage or verdict", "aria-label": "Find machines" });
  box.addEventListener("input", () => {
    for (const row of rows.values()) row.hidden = !row.textContent.toLowerCase().includes(box.value.toLowerCase());
  });
  place("machines", box, table);
}

function drawFleet() {
  drawFleetHead();
  drawLeftOut();
  drawDays();
  drawResources();
  drawCallers([
    { label: "Caller", key: (caller) => `${caller.title}\n${caller.subtitle}`, cell: (caller) => who(caller, machinesOf(caller)) },
    { label: "Machines", number: true, key: (caller) => caller.row.machine_count,
      cell: (caller) => numberCell("Machines", caller.row.machine_count) },
    REQUESTS,
    DAYS,
    LOOKS_LIKE,
    FIRST_SEEN,
    LAST_SEEN,
  ], 1);
  drawMachines();
  place("footer", "Made by msi2imds callers --merge. Days are those of UTC. This page loads nothing.");
}

(isFleet ? drawFleet : drawMachine)();
