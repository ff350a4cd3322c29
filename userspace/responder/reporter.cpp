// SPDX-License-Identifier: MIT
#include "responder/reporter.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/number_of.hpp"
#include "base/spawn.hpp"
#include "control/redirection.hpp"
#include "responder/fleet_series.hpp"

namespace msi2imds::responder {
namespace {

// For how long the status tells of failures of single connections.
constexpr std::chrono::seconds kRecent{60};

void add_remark(admin::Status& status, std::string_view shortcoming, const std::string& text) {
  status.remarks.push_back(text);
  const bool is_new = std::ranges::find(status.shortcomings, shortcoming) == status.shortcomings.end();
  if (!shortcoming.empty() && is_new) {
    status.shortcomings.emplace_back(shortcoming);
  }
}

void describe_redirection(const control::RedirectionReport& report, admin::Status& status) {
  using control::Redirected;
  status.observing = report.redirected == Redirected::observing;
  status.redirecting = report.redirected == Redirected::yes || report.redirected == Redirected::ipv4_only;
  status.covers_ipv6 = report.redirected != Redirected::ipv4_only;
  status.backend = report.backend;
  status.redirect_failure = report.failure;
  status.container_networks = report.container_networks;
  status.direct_imds = {
      .state = report.direct_imds, .closed_by = report.closed_by, .failure = report.not_closed_because};
}

}  // namespace

Reporter::Reporter(SupervisorLink& link, TokenService& tokens, const Settings& settings, Sessions& sessions,
                   const UsageFile& usage_file, const std::vector<std::shared_ptr<Listener>>& listeners)
    : link_(link),
      tokens_(tokens),
      settings_(settings),
      sessions_(sessions),
      usage_file_(usage_file),
      listeners_(listeners) {}

asio::awaitable<admin::Status> Reporter::status() {
  admin::Status status;
  extension_.clear();
  describe_responder(status);
  const Result<control::Received> answer = co_await link_.ask(control::Kind::ask_redirection);
  if (!answer) {
    status.redirect_failure = answer.error().message();
    co_return status;
  }
  const auto report = control::parse_redirection(answer->message);
  if (!report) {
    status.redirect_failure = Error::from_errno(EBADMSG, "understand the supervisor").message();
    co_return status;
  }
  responders_started_ = report->responders_started;
  sockets_replaced_ = report->sockets_replaced;
  extension_ = report->extension;
  describe_redirection(*report, status);
  for (const control::Remark& remark : report->remarks) {
    add_remark(status, remark.shortcoming, remark.text);
  }
  for (const admin::Shortcoming& shortcoming : shortcomings()) {
    add_remark(status, shortcoming.name, shortcoming.text);
  }
  co_return status;
}

void Reporter::describe_responder(admin::Status& status) {
  status.responder_pid = ::getpid();
  const auto uptime = std::chrono::steady_clock::now() - started_;
  status.uptime_seconds = std::chrono::duration_cast<std::chrono::seconds>(uptime).count();
  status.connections = sessions_.count();
  status.accepted = sessions_.accepted();
  status.requests = sessions_.recorder().requests();
  status.has_call_filter = cage_.has_call_filter;
  status.landlock = cage_.landlock;
  status.has_empty_root = cage_.has_empty_root;
  status.own_namespaces = cage_.own_namespaces;
  tokens_.describe(status);
}

// What of the responder's own part does not work at present.
admin::Shortcomings Reporter::shortcomings() {
  admin::Shortcomings all;
  admin::add(all, admin::kCallers, usage_file_.shortcoming());
  const audit::Log& audit = sessions_.recorder().audit_log();
  if (!audit.failure().empty()) {
    admin::add(all, admin::kAudit,
               fmt::format("audit lines cannot be written: {}; {} kept for as long as this process runs",
                           audit.failure(), number_of(audit.count_unwritten(), "line")));
  }
  for (const auto& listener : listeners_) {
    if (!listener->failure().empty()) {
      admin::add(all, admin::kDescriptors, listener->failure());
      break;  // one is enough: all listeners lack the same
    }
  }
  const ContainedFailures& failures = contained_failures();
  if (failures.count > 0 && std::chrono::steady_clock::now() - failures.when < kRecent) {
    admin::add(all, admin::kFailures, "connections were given up in the last minute: " + failures.last);
  }
  if (log::loses_lines()) {
    admin::add(all, admin::kLog, "lines of the responder's log are lost, since nobody reads them");
  }
  return all;
}

asio::awaitable<std::string> Reporter::measure() {
  metrics::Snapshot now;
  tokens_.measure(now);
  const admin::Status known = co_await status();
  now.start_time = static_cast<double>(unix_seconds(started_at_));
  now.build_info.add(1, {{"version", known.version}});
  now.backend_info.add(1, {{"backend", known.backend}});
  now.is_intercepting = known.redirecting;
  now.is_observing = known.observing;
  now.restarts = responders_started_ == 0 ? 0 : responders_started_ - 1;
  now.sockets_replaced = sockets_replaced_;
  for (const std::string_view name : admin::kShortcomings) {
    const bool is_there = std::ranges::find(known.shortcomings, name) != known.shortcomings.end();
    now.shortcomings.add(is_there ? 1 : 0, {{"what", name}});
  }
  now.contained_failures = contained_failures().count;
  now.log_lines_lost = log::lost_lines();
  now.connections = sessions_.count();
  now.accepted = sessions_.accepted();
  now.gave_way = sessions_.gave_way();
  now.warnings_left_out = sessions_.warnings().left_out();
  const usage::Table& table = sessions_.recorder().table();
  sessions_.recorder().measure(now);
  measure_callers(table, now);
  measure_verdict(table, unix_seconds(std::chrono::system_clock::now()), settings_.quiet_days, now);
  if (!extension_.empty()) {
    measure_stage(known, extension_, now);
  }
  co_return now.text();
}

}  // namespace msi2imds::responder
