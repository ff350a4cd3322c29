// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <thread>

#include "admin/status.hpp"
#include "base/escape.hpp"
#include "base/number_of.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
#include "cli/status_report.hpp"

namespace msi2imds::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kWaitAgain{50};

json::value to_json(const SelfTest& test) {
  return {{"address", test.dialled.to_string()}, {"arrived", test.arrived}, {"failure", test.failure}};
}

// What a taken-over responder would have to break first.
std::string describe_confinement(const admin::Status& status) {
  std::vector<std::string> parts;
  parts.emplace_back(status.has_call_filter ? "a system call filter"
                                            : "NO system call filter, which this kernel does not have");
  if (status.landlock != 0) {
    parts.push_back(fmt::format("Landlock {}", status.landlock));
  }
  if (status.has_empty_root) {
    parts.emplace_back("an empty root directory");
  }
  if (!status.own_namespaces.empty()) {
    parts.push_back(fmt::format("own namespaces ({})", fmt::join(status.own_namespaces, ", ")));
  }
  return escape::control_characters(fmt::format("{}", fmt::join(parts, ", ")));
}

// Null is what is not known.
json::value if_known(bool is_known, bool value) {
  return is_known ? json::value(value) : json::value();
}

void print_json(const StatusReport& report) {
  json::object object;
  object["version"] = MSI2IMDS_VERSION;
  object["intercepting"] = if_known(report.is_known, report.intercepting);
  object["observing"] = if_known(report.is_known, report.observing);
  object["reason"] = report.reason;
  object["not_as_enabled"] = report.not_as_enabled;
  object["backend"] = report.status ? json::value(json::string(report.status->backend)) : json::value();
  json::array tests;
  for (const SelfTest& test : report.tests) {
    tests.push_back(to_json(test));
  }
  object["self_test"] = std::move(tests);
  if (report.extension) {
    object["extension"] = {{"version", report.extension->version},
                           {"state", waagent::to_string(report.extension->state)}};
  } else if (!report.is_extension_known) {
    object["extension"] = nullptr;
  }
  if (report.status) {
    const admin::Status& status = *report.status;
    object["running_version"] = status.version;
    object["ports"] = json::value_from(status.legacy_ports);
    object["remarks"] = json::value_from(status.remarks);
    object["shortcomings"] = json::value_from(status.shortcomings);
    object["container_networks"] = json::value_from(status.container_networks);
    object["cgroups"] = json::value_from(status.cgroups);
    json::object requests;
    for (const auto& [port, count] : status.requests) {
      requests[std::to_string(port)] = count;
    }
    object["responder"] = {{"pid", status.responder_pid},
                           {"uptime_seconds", status.uptime_seconds},
                           {"connections", status.connections},
                           {"accepted", status.accepted},
                           {"requests", std::move(requests)},
                           {"confinement",
                            {{"system_call_filter", status.has_call_filter},
                             {"landlock", status.landlock},
                             {"empty_root", status.has_empty_root},
                             {"own_namespaces", json::value_from(status.own_namespaces)}}}};
    if (report.supervisor) {
      object["supervisor"] = {{"pid", report.supervisor->pid},
                              {"capabilities", json::value_from(report.supervisor->capabilities)}};
    }
    object["policy"] = {
        {"mode", status.policy_mode}, {"default", status.policy_default}, {"rules", status.policy_rules}};
    object["identity"] = {{"default", status.default_identity}, {"rules", status.identity_rules}};
    object["tokens"] = {{"cached", status.tokens_cached},
                        {"from_cache", status.tokens_from_cache},
                        {"joined", status.tokens_joined}};
    object["imds"] = {{"endpoint", status.imds_endpoint},
                      {"requests", status.imds_requests},
                      {"failures", status.imds_failures},
                      {"last_failure", status.imds_last_failure},
                      {"direct",
                       {{"state", status.direct_imds.state},
                        {"closed_by", status.direct_imds.closed_by},
                        {"failure", status.direct_imds.failure}}}};
  }
  print_document(json::serialize(object));
}

void print_difference(const StatusReport& report) {
  if (!report.not_as_enabled.empty()) {
    fmt::print("not as enabled: {}\n", report.not_as_enabled);
  }
}

// Nothing where there is no rule, and nobody is refused.
void print_policy(const admin::Status& status) {
  const std::string rules = number_of(status.policy_rules, "rule");
  if (status.policy_mode == "enforce") {
    fmt::print("  policy                 enforced, {}; whom none allows is {}\n", rules,
               status.policy_default == "allow" ? "allowed, too" : "refused");
  } else if (status.policy_rules != 0) {
    fmt::print("  policy                 tried out, {}; nobody is refused\n", rules);
  }
}

// Whether callers that are refused can ask IMDS itself.
void print_direct_imds(const admin::DirectImds& direct) {
  if (direct.state == "open") {
    fmt::print("  IMDS itself            open to refused callers; policy.close_imds = true closes it\n");
  } else if (direct.state == "closed") {
    fmt::print("  IMDS itself            closed by {} to users whom no rule names\n", direct.closed_by);
  } else if (direct.state == "not_closed") {
    fmt::print("  IMDS itself            NOT closed, as policy.close_imds says: {}\n",
               escape::control_characters(direct.failure));
  }
}

void print_text(const StatusReport& report) {
  const std::string reason = escape::control_characters(report.reason);
  if (!report.status) {
    fmt::print("{}: {}\n", report.is_known ? "not intercepting" : "not known", reason);
    print_difference(report);
    return;
  }
  const admin::Status& status = *report.status;
  if (report.observing) {
    fmt::print("observing: callers are recorded (msi2imds callers), nothing is redirected\n");
  } else if (report.intercepting) {
    fmt::print("intercepting with {}\n", status.backend);
  } else {
    fmt::print("not intercepting (backend {}): {}\n", status.backend, reason);
  }
  print_difference(report);
  for (const SelfTest& test : report.tests) {
    fmt::print("  {:<22} {}\n", test.dialled.to_string(), test.arrived ? "arrives here" : test.failure);
  }
  if (report.extension) {
    fmt::print("  extension              {}, version {}\n", waagent::to_string(report.extension->state),
               escape::control_characters(report.extension->version));
  }
  for (const auto& [port, count] : status.requests) {
    fmt::print("  port {:<17} {}\n", port, number_of(count, "request"));
  }
  if (!status.cgroups.empty()) {
    fmt::print("  only programs in       {}\n",
               escape::control_characters(fmt::format("{}", fmt::join(status.cgroups, ", "))));
  }
  if (!status.container_networks.empty()) {
    fmt::print("  in own networks        {}\n",
               escape::control_characters(fmt::format("{}", fmt::join(status.container_networks, ", "))));
  }
  for (const std::string& remark : status.remarks) {
    fmt::print("  note                   {}\n", escape::control_characters(remark));
  }
  fmt::print("  responder              pid {}, up {} s, {} open, {} accepted\n", status.responder_pid,
             status.uptime_seconds, number_of(status.connections, "connection"), status.accepted);
  fmt::print("  confined by            {}\n", describe_confinement(status));
  if (report.supervisor) {
    fmt::print("  supervisor             pid {}, {}\n", report.supervisor->pid,
               fmt::join(report.supervisor->capabilities, " "));
  }
  if (!report.observing) {
    print_policy(status);
  }
  if (!status.default_identity.empty() || status.identity_rules != 0) {
    fmt::print("  identity               {} where none is named{}\n",
               status.default_identity.empty() ? "as IMDS decides" : status.default_identity,
               status.identity_rules == 0
                   ? ""
                   : fmt::format(", save by {}", number_of(status.identity_rules, "rule")));
  }
  fmt::print("  tokens                 {} cached, {} from the cache, {} joined\n", status.tokens_cached,
             number_of(status.tokens_from_cache, "answer"), status.tokens_joined);
  fmt::print("  IMDS                   {}, {}, {} failed{}\n", status.imds_endpoint,
             number_of(status.imds_requests, "request"), status.imds_failures,
             status.imds_last_failure.empty() ? std::string() : "; last: " + status.imds_last_failure);
  print_direct_imds(status.direct_imds);
}

}  // namespace

int status(const ConfigFile& file, const StatusOptions& options) {
  const auto config = file.load_or_complain();
  if (!config) {
    tell_what_runs_meanwhile();
    return kUsage;
  }
  const auto deadline = std::chrono::steady_clock::now() + options.wait;
  StatusReport report = look_at_all(file, *config);
  while (!report.is_good() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kWaitAgain);
    report = look_at_all(file, *config);
  }
  if (options.json) {
    print_json(report);
  } else {
    print_text(report);
  }
  if (!report.is_known) {
    return kUnknown;
  }
  return report.is_good() ? kGood : kFailed;
}

}  // namespace msi2imds::cli
