// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <chrono>

#include "admin/shortcoming.hpp"
#include "base/escape.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
#include "cli/status_report.hpp"
#include "migration/imds.hpp"

namespace msi2imds::cli {
namespace {

namespace json = boost::json;

// For each question: whoever asks for health, such as a load balancer, waits for two of them at most.
constexpr std::chrono::seconds kImdsTime{1};

// Whether IMDS gives a token, or says why it gives none.
bool answers_about_a_token(const config::Imds& imds) {
  token::TokenRequest request;
  request.resource = migration::kUsualResource;
  return migration::ask_token(imds, request).has_value();
}

// The last request to IMDS tells. Where there was none yet, one of our own does, and where it failed, too:
// callers who would ask again may be kept away by whoever asks for health.
std::string problem_with_imds(config::Imds imds, const admin::Status& status) {
  imds.request_timeout = std::min(imds.request_timeout, kImdsTime);
  if (!status.imds_last_failure.empty()) {
    return answers_about_a_token(imds) ? std::string()
                                       : "the last request to IMDS failed: " + status.imds_last_failure;
  }
  if (status.imds_requests != 0) {
    return "";
  }
  const auto reached = migration::reach_imds(imds);
  if (reached) {
    return "";
  }
  if (reached.error().code() == boost::system::errc::timed_out) {
    return fmt::format("IMDS at {} has not answered within {} s", imds.endpoint.text,
                       imds.request_timeout.count());
  }
  return "IMDS does not answer: cannot " + reached.error().message();
}

std::vector<std::string> problems_of(const config::Config& config, const StatusReport& report) {
  std::vector<std::string> problems = {report.observing ? "" : report.reason, report.not_as_enabled};
  if (report.status) {
    const admin::Status& status = *report.status;
    if (status.direct_imds.state == "not_closed") {
      problems.push_back("IMDS is not closed to callers that are refused: " + status.direct_imds.failure);
    }
    std::vector<std::string> shortcomings = status.shortcomings;
    std::erase(shortcomings, admin::kObservation);  // many kernels cannot do better, and callers are served
    if (!shortcomings.empty()) {
      problems.push_back(fmt::format("not as it should be, and msi2imds status says why: {}",
                                     fmt::join(shortcomings, ", ")));
    }
    problems.push_back(problem_with_imds(config.imds, status));
  }
  std::erase(problems, "");
  return problems;
}

std::string summary_of(const StatusReport& report, const std::vector<std::string>& problems) {
  if (!problems.empty()) {
    return fmt::format("{}: {}", report.is_known ? "not healthy" : "not known", fmt::join(problems, "; "));
  }
  return report.observing ? "healthy: observing" : "healthy: intercepting with " + report.status->backend;
}

}  // namespace

int health(const ConfigFile& file, const HealthOptions& options) {
  const auto config = file.load_or_complain();
  if (!config) {
    tell_what_runs_meanwhile();
    return kUsage;
  }
  const StatusReport report = look_at_all(file, *config);
  const std::vector<std::string> problems = problems_of(*config, report);
  const std::string summary = summary_of(report, problems);
  if (options.json) {
    const json::value healthy = report.is_known ? json::value(problems.empty()) : json::value();
    print_document(json::serialize(
        json::object{{"healthy", healthy}, {"summary", summary}, {"problems", json::value_from(problems)}}));
  } else {
    fmt::print("{}\n", escape::control_characters(summary));
  }
  if (!report.is_known) {
    return kUnknown;
  }
  return problems.empty() ? kGood : kFailed;
}

}  // namespace msi2imds::cli
