// SPDX-License-Identifier: MIT
#include "doctor/extension.hpp"

#include "doctor/files.hpp"
#include "waagent/discovery_file.hpp"
#include "waagent/extension.hpp"
#include "waagent/process.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kExtension = "extension";
constexpr const char* kFile = "discovery";

Finding state_of(const Host& host, const waagent::Extension& extension) {
  std::string text = "The extension's version " + extension.version + " is " +
                     waagent::to_string(extension.state) + " for the Azure agent.";
  constexpr const char* kAdvice = "Look at the agent's log, /var/log/waagent.log.";
  if (extension.state == waagent::HandlerState::unknown) {
    return not_seen(host, kExtension, std::move(text), kAdvice);
  }
  if (extension.state == waagent::HandlerState::failed_upgrade) {
    return warning(kExtension, std::move(text), kAdvice);
  }
  return ok(kExtension, std::move(text));
}

Finding process_of(const waagent::ExtensionProcess& process) {
  return ok(kExtension, "The extension runs as process " + std::to_string(process.pid) +
                            (process.unit.empty() ? " in no unit." : " in " + process.unit + "."));
}

void add_process(const Host& host, bool should_run, Findings& findings) {
  const auto processes = waagent::find_processes(host.root.proc);
  for (const waagent::ExtensionProcess& process : processes) {
    findings.push_back(process_of(process));
  }
  const std::string unit(waagent::kUnitName);
  if (processes.empty() && should_run) {
    findings.push_back(
        warning(kExtension, "The extension is Enabled, but does not run.",
                "Either start " + unit + " or remove the extension; msi2imds answers meanwhile."));
  } else if (processes.empty() && has_unit_file(host.root, unit)) {
    findings.push_back(ok(kExtension, "Its unit " + unit + " is still there; the extension does not run."));
  }
}

Finding judge_file(const Host& host, const waagent::DiscoveryFile& file) {
  const std::string whose = file.is_ours ? " (ours)" : host.is_root ? " (not ours)" : "";
  const std::string name = waagent::kDiscoveryFile + whose;
  if (!file.port) {
    return warning(kFile, name + " leads to no loopback port of this machine.",
                   "Remove it, so that msi2imds makes it anew, or put the extension's port into its url.");
  }
  const std::string port = std::to_string(*file.port);
  if (!is_legacy_port(host, *file.port)) {
    return warning(kFile, name + " leads to port " + port + ", which is none of the legacy ports.",
                   "Add " + port + " to legacy.ports, or set these to \"auto\".");
  }
  return ok(kFile, name + " leads to port " + port + ".");
}

Finding discovery_file(const Host& host) {
  waagent::Places places = waagent::places_of(host.config);
  places.proc = host.root.proc;
  const auto file = waagent::read_discovery_file(places);
  if (!file) {
    return not_seen(
        host, kFile,
        "Cannot read " + std::string(waagent::kDiscoveryFile) + ": " + file.error().message() + ".",
        "Remove what is in its place.");
  }
  if (!*file) {
    return ok(kFile, std::string(waagent::kDiscoveryFile) + " is not there" +
                         (host.is_running == false ? "; msi2imds makes it when it starts." : "."));
  }
  return judge_file(host, **file);
}

}  // namespace

Findings check_extension(const Host& host) {
  Findings findings;
  const auto found = waagent::find_extension(host.config.waagent.root);
  bool should_run = false;
  if (!found) {
    const char* const ports =
        host.config.legacy.find_ports ? " It may use other ports than those named here." : "";
    findings.push_back(not_seen(host, kExtension,
                                "Cannot read the extension's files: " + found.error().message() + "." + ports,
                                "Look at waagent.root."));
  } else if (*found) {
    const waagent::Extension& extension = **found;
    should_run = extension.state == waagent::HandlerState::enabled;
    findings.push_back(state_of(host, extension));
    for (const std::string& problem : extension.problems) {
      findings.push_back(not_seen(host, kExtension,
                                  "Part of its files cannot be understood: " + problem + ".",
                                  "Look at that file."));
    }
  } else {
    findings.push_back(ok(kExtension, "The Azure agent has no managed identity extension."));
  }
  add_process(host, should_run, findings);
  findings.push_back(discovery_file(host));
  return findings;
}

}  // namespace msi2imds::doctor
