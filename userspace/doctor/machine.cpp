// SPDX-License-Identifier: MIT
#include "doctor/machine.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include "base/run_to_end.hpp"
#include "base/text.hpp"
#include "doctor/files.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kMachineCheck = "machine";

// PRETTY_NAME of os-release, without its quotes.
std::string distribution(const Root& root) {
  for (const std::string& line : split(read_text(root.etc + "/os-release"), "\n")) {
    constexpr std::string_view kKey = "PRETTY_NAME=";
    if (!line.starts_with(kKey)) {
      continue;
    }
    std::string_view name = trim(std::string_view(line).substr(kKey.size()));
    if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front()) {
      name = name.substr(1, name.size() - 2);
    }
    return std::string(name);
  }
  return "an unknown distribution";
}

std::string kernel() {
  utsname name{};
  return ::uname(&name) == 0 ? std::string(static_cast<const char*>(name.sysname)) + " " +
                                   static_cast<const char*>(name.release) + " (" +
                                   static_cast<const char*>(name.machine) + ")"
                             : "an unknown kernel";
}

struct Cgroups {
  bool is_unified = false;  // cgroup2 alone is what the service manager uses
  bool has_second = false;
  bool has_first = false;
};

// By the lines of mountinfo: "... MOUNT_POINT OPTIONS ... - TYPE ...".
Cgroups read_cgroups(const Root& root) {
  Cgroups found;
  for (const std::string& line : split(read_text(root.proc + "/self/mountinfo"), "\n")) {
    const std::size_t dash = line.find(" - ");
    const std::vector<std::string> fields = split(line, " ");
    if (dash == std::string::npos || fields.size() < 5) {
      continue;
    }
    const std::string_view type = std::string_view(line).substr(dash + 3);
    found.has_first = found.has_first || type.starts_with("cgroup ");
    if (type.starts_with("cgroup2 ")) {
      found.has_second = true;
      found.is_unified = found.is_unified || fields[4] == "/sys/fs/cgroup";
    }
  }
  return found;
}

std::string cgroup_layout(const Root& root) {
  const Cgroups found = read_cgroups(root);
  if (found.is_unified) {
    return "unified cgroups";
  }
  if (found.has_second) {
    return found.has_first ? "hybrid cgroups" : "cgroup2 at an unusual place";
  }
  return found.has_first ? "legacy cgroups" : "no cgroups mounted";
}

// A cgroup can be named where version 2 is mounted; elsewhere there is its root alone.
void add_unnameable(const Host& host, Findings& findings) {
  if (read_cgroups(host.root).has_second) {
    return;
  }
  const std::string& seen = host.config.callers.cgroup;
  if (!seen.empty() && seen != "/") {
    findings.push_back(warning(kMachineCheck,
                               "Callers cannot be seen in " + seen +
                                   " (callers.cgroup): no cgroup of version 2 can be named on this machine.",
                               "Leave out callers.cgroup: then all callers are seen."));
  }
  if (!host.config.redirect.cgroups.empty()) {
    findings.push_back(error(kMachineCheck,
                             "The redirection cannot be limited to " + host.config.redirect.cgroups.front() +
                                 " (redirect.cgroups): no cgroup of version 2 can be named on this machine.",
                             "Leave out redirect.cgroups, or boot with systemd.unified_cgroup_hierarchy=1."));
  }
}

Finding service_manager(const Host& host) {
  if (::access((host.root.run + "/systemd/system").c_str(), F_OK) != 0) {
    return ok(kMachineCheck,
              "Systemd is not running here: whatever starts msi2imds has to start it again, too.");
  }
  const auto asked = run_to_end(host.commands.run("systemctl", {"--version"}, ""));
  const std::vector<std::string> lines =
      asked && asked->exit_status == 0 ? split(asked->output, "\n") : std::vector<std::string>();
  return ok(kMachineCheck, lines.empty() ? "Systemd runs here; its version is not known."
                                         : "The service manager is " + lines.front() + ".");
}

Finding azure_name(const migration::Instance& instance) {
  std::string text = "Azure calls it " + (instance.name.empty() ? "nothing" : "'" + instance.name + "'");
  text += instance.scale_set.empty() ? "" : " in the scale set '" + instance.scale_set + "'";
  text += instance.resource_group.empty() ? "" : ", resource group '" + instance.resource_group + "'";
  return ok(kMachineCheck, text + ".");
}

}  // namespace

Findings check_machine(const Host& host, const Result<migration::ReachedImds>& imds) {
  Findings findings;
  if (!host.is_root) {
    findings.push_back(
        unknown(kMachineCheck, "Doctor is not run by root: what only root may see is called unknown below."));
  }
  findings.push_back(
      ok(kMachineCheck, distribution(host.root) + ", " + kernel() + ", " + cgroup_layout(host.root) + "."));
  add_unnameable(host, findings);
  findings.push_back(service_manager(host));
  if (!host.silence.empty()) {
    findings.push_back(error(kMachineCheck, "M" + host.silence.substr(1) + ".",
                             "Its log may say why; systemctl restart msi2imds replaces it."));
  }
  if (imds && imds->instance) {
    findings.push_back(azure_name(*imds->instance));
  }
  return findings;
}

}  // namespace msi2imds::doctor
