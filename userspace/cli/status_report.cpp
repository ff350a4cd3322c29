// SPDX-License-Identifier: MIT
#include "cli/status_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "admin/client.hpp"
#include "base/command.hpp"
#include "base/escape.hpp"
#include "base/run_to_end.hpp"
#include "cli/silence.hpp"
#include "config/read.hpp"
#include "redirect/foreign_rules.hpp"
#include "redirect/redirector.hpp"
#include "supervisor/running_process.hpp"

namespace msi2imds::cli {
namespace {

constexpr std::chrono::milliseconds kStatusTime{2000};
constexpr std::chrono::milliseconds kSystemdPatience{2000};
constexpr std::chrono::milliseconds kFirewallPatience{2000};

std::optional<SupervisorProcess> find_supervisor(const std::string& admin_socket) {
  const auto running = supervisor::RunningProcess::find(admin_socket);
  const auto capabilities = running ? running->capabilities() : std::nullopt;
  if (!capabilities) {
    return std::nullopt;
  }
  return SupervisorProcess{.pid = running->pid(), .capabilities = supervisor::names_of(*capabilities)};
}

// Only root may read rules: for others, there are none.
std::string first_foreign_rule(bool (*concerns)(std::string_view, const redirect::Ports&),
                               const redirect::Ports& ports) {
  SystemCommandRunner runner(kFirewallPatience);
  return redirect::first_of(run_to_end(redirect::foreign_rules(runner)), concerns, ports);
}

void add_filters(const config::Config& config, admin::Status& status) {
  if (!status.redirecting || redirect::do_filters_bind(status.backend)) {
    return;
  }
  const std::string rule = first_foreign_rule(redirect::filters_loopback, status.legacy_ports);
  if (!rule.empty()) {
    status.remarks.push_back(
        fmt::format("a firewall rule for a legacy port does not bind, since it sees "
                    "connections to port {} with {}: {}",
                    config.redirect.listen_port, status.backend, rule));
  }
}

// Of somebody else: what our own redirection does not come before, or what refuses whom it has led to us.
void add_what_is_in_the_way(const config::Config& config, admin::Status& status) {
  redirect::Ports ports = status.legacy_ports;
  std::string rule = first_foreign_rule(redirect::leads_loopback_elsewhere, ports);
  if (!rule.empty()) {
    status.remarks.push_back("a firewall rule leads a legacy port elsewhere: " + rule);
    return;
  }
  if (!redirect::do_filters_bind(status.backend)) {
    ports.push_back(config.redirect.listen_port);
  }
  rule = first_foreign_rule(redirect::filters_loopback, ports);
  status.remarks.push_back(rule.empty() ? "a packet filter may keep connections away, such as a chain that "
                                          "drops what it does not know: nft "
                                          "list ruleset, iptables-save"
                                        : "a firewall rule may keep connections away: " + rule);
}

}  // namespace

StatusReport look(const config::Config& config) {
  StatusReport report;
  auto extension = waagent::find_extension(config.waagent.root);
  report.is_extension_known = extension || !is_forbidden(extension.error());
  if (extension) {
    report.extension = std::move(*extension);
  }
  const Result<std::string> answer =
      admin::get(config.admin.socket, std::string(admin::kStatusTarget), kStatusTime);
  if (!answer) {
    report.is_known = !is_forbidden(answer.error());
    report.reason = explain_silence(answer.error(), config.admin.socket);
    return report;
  }
  Result<admin::Status> status = admin::parse_status(*answer);
  if (!status) {
    report.reason = "cannot " + status.error().message();
    return report;
  }
  report.status = std::move(*status);
  report.supervisor = find_supervisor(config.admin.socket);
  report.observing = report.status->observing;
  if (report.observing) {
    report.reason = "msi2imds only observes";
    return report;
  }
  const SelfTestPlan plan{.ports = report.status->legacy_ports,
                          .listen_port = config.redirect.listen_port,
                          .with_ipv6 = report.status->covers_ipv6,
                          .cgroup = report.status->cgroups.empty() ? "" : report.status->cgroups.front()};
  report.tests = dial_legacy_ports(plan, config.admin.socket);
  const auto missed = std::find_if_not(report.tests.begin(), report.tests.end(),
                                       [](const SelfTest& test) { return test.arrived; });
  if (!report.status->redirecting) {
    report.reason = report.status->redirect_failure.empty() ? "connections are not redirected"
                                                            : report.status->redirect_failure;
  } else if (missed != report.tests.end()) {
    report.reason = "a connection to " + missed->dialled.to_string() + " did not arrive: " + missed->failure;
    add_what_is_in_the_way(config, *report.status);
  }
  if (missed == report.tests.end()) {
    add_filters(config, *report.status);
  }
  report.intercepting = report.reason.empty();
  return report;
}

StatusReport look_at_all(const ConfigFile& file, const config::Config& config) {
  StatusReport report = look(config);
  if (!file.path || *file.path == config::kDefaultFile) {
    SystemCommandRunner runner(kSystemdPatience);
    if (const auto units = supervisor::ask_about_units(runner)) {
      report.not_as_enabled = compare_with_enabled(report, *units);
    }
  }
  return report;
}

void tell_what_runs_meanwhile() {
  const StatusReport report = look(config::Config());
  if (report.status) {
    const std::string how = report.observing      ? "observes"
                            : report.intercepting ? "intercepts with " + report.status->backend
                                                  : "runs, but does not intercept: " + report.reason;
    fmt::print(stderr,
               "Meanwhile msi2imds {}, by the configuration that it has read; its next start will fail.\n",
               escape::control_characters(how));
  }
}

std::string compare_with_enabled(const StatusReport& report, const supervisor::Units& units) {
  if (!report.status) {
    if (units.service.active || units.observer.active) {
      return "";  // it runs, and does not answer us
    }
    if (units.serving_is_enabled()) {
      return "serving is enabled; to begin: systemctl start msi2imds";
    }
    return units.observer.enabled ? "observing is enabled; to begin: systemctl start msi2imds-observe" : "";
  }
  if (report.observing) {
    return units.serving_is_enabled() ? "serving is enabled, but an observer runs: systemctl start msi2imds"
                                      : "";
  }
  if (units.service.enabled) {
    return "";  // whatever else is: it comes first
  }
  if (units.observer.enabled) {
    return "observing is enabled, and after the next boot nothing would be redirected: systemctl disable "
           "msi2imds-observe, systemctl enable msi2imds";
  }
  return units.socket.enabled ? "msi2imds.socket alone is enabled, and after the next boot nothing would be "
                                "redirected: systemctl enable msi2imds"
                              : "";
}

}  // namespace msi2imds::cli
