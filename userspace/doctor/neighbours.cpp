// SPDX-License-Identifier: MIT
#include "doctor/neighbours.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "doctor/files.hpp"
#include "doctor/processes.hpp"
#include "netlink/tcp_sockets.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kNeighboursCheck = "neighbour";
constexpr std::uint16_t kArcPort = 40342;

struct Surroundings {
  const Host& host;
  std::vector<RunningProcess> processes;

  [[nodiscard]] bool runs(std::initializer_list<std::string_view> names) const {
    return find_by_name(processes, names).has_value();
  }
  [[nodiscard]] bool has_unit(const std::string& unit) const {
    return has_unit_file(host.root, unit);
  }
};

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

void add_proxy_agent(const Surroundings& around, Findings& findings) {
  const bool runs = around.runs({"azure-proxy-agent", "GuestProxyAgent"});
  if (!runs && !around.has_unit("azure-proxy-agent.service") &&
      !exists(around.host.root.usr + "/sbin/azure-proxy-agent")) {
    return;
  }
  findings.push_back(warning(
      kNeighboursCheck,
      std::string("The guest proxy agent (metadata security protocol) is installed") +
          (runs ? " and runs" : "") + ": it decides by process who may ask IMDS.",
      "Its rules have to allow msi2imds, which then asks for every caller; give msi2imds [[allow]] rules."));
}

void add_imdsd(const Surroundings& around, Findings& findings) {
  if (around.runs({"systemd-imdsd"})) {
    findings.push_back(
        ok(kNeighboursCheck, "Systemd-imdsd runs; where it locks IMDS, msi2imds uses its mark (imds.mark)."));
  } else if (around.has_unit("systemd-imdsd.service") || around.has_unit("systemd-imdsd.socket")) {
    findings.push_back(
        ok(kNeighboursCheck, "Systemd-imdsd is installed; should it lock IMDS, msi2imds uses its mark."));
  }
}

bool listens_as_arc() {
  const auto sockets = netlink::listening_sockets();
  return sockets && std::ranges::any_of(*sockets, [](const netlink::TcpSocket& socket) {
           return socket.local.port() == kArcPort;
         });
}

void add_arc(const Surroundings& around, Findings& findings) {
  if (around.runs({"himds", "azcmagent"}) || around.has_unit("himdsd.service") || listens_as_arc()) {
    findings.push_back(warning(kNeighboursCheck,
                               "Azure Arc's agent is here (himds, port 40342): it speaks another protocol, "
                               "and msi2imds does not ask it.",
                               "A machine of Azure Arc has no IMDS; on an Azure VM, remove the Arc agent."));
  }
}

bool is_cloud_shell(const Root& root) {
  for (const char* process : {"/self", "/1"}) {
    for (const std::string& variable :
         split(read_text(root.proc + process + "/environ"), std::string_view("\0", 1))) {
      if (variable.starts_with("ACC_CLOUD=") || variable.starts_with("ACC_TERM_ID=") ||
          variable.starts_with("AZUREPS_HOST_ENVIRONMENT=cloud-shell")) {
        return true;
      }
    }
  }
  return false;
}

void add_cloud_shell(const Surroundings& around, Findings& findings) {
  if (is_cloud_shell(around.host.root)) {
    findings.push_back(error(kNeighboursCheck,
                             "This is Azure Cloud Shell, where port 50342 belongs to the shell itself.",
                             "Do not install msi2imds here."));
  }
}

bool has_ufw(const Root& root) {
  for (const std::string& line : split(read_text(root.etc + "/ufw/ufw.conf"), "\n")) {
    if (trim(line) == "ENABLED=yes") {
      return true;
    }
  }
  return false;
}

void add_firewalls(const Surroundings& around, Findings& findings) {
  const Root& root = around.host.root;
  const bool has_firewalld = exists(root.run + "/firewalld") || around.runs({"firewalld"});
  for (const auto& [is_there, name] :
       {std::pair(has_firewalld, "Firewalld"), std::pair(has_ufw(root), "Ufw")}) {
    if (is_there) {
      findings.push_back(
          ok("firewall", std::string(name) +
                             " is in use; rules of msi2imds that its reload removes are put back "
                             "within two seconds."));
    }
  }
}

}  // namespace

Findings check_neighbours(const Host& host) {
  const Surroundings around{.host = host, .processes = list_processes(host.root.proc)};
  Findings findings;
  add_proxy_agent(around, findings);
  add_imdsd(around, findings);
  add_arc(around, findings);
  add_cloud_shell(around, findings);
  if (findings.empty()) {
    findings.push_back(
        ok(kNeighboursCheck, "Neither the guest proxy agent nor systemd-imdsd nor Azure Arc is here."));
  }
  add_firewalls(around, findings);
  return findings;
}

}  // namespace msi2imds::doctor
