// SPDX-License-Identifier: MIT
#include "imds_emulator/statistics.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace msi2imds::emulator {

InFlight::InFlight(Statistics& statistics) : statistics_(&statistics) {
  statistics.max_in_flight_ = std::max(statistics.max_in_flight_, ++statistics.in_flight_);
}

void InFlight::end() {
  if (Statistics* statistics = std::exchange(statistics_, nullptr)) {
    --statistics->in_flight_;
  }
}

void Statistics::count_token_request(std::chrono::steady_clock::time_point now) {
  ++token_requests_;
  per_second_.add(now);
}

void Statistics::count_answer(unsigned status, std::string_view problem) {
  ++statuses_[status];
  if (!problem.empty()) {
    ++problems_[problem];
  }
}

void Statistics::reset() {
  Statistics fresh;
  fresh.in_flight_ = fresh.max_in_flight_ = in_flight_;
  fresh.open_connections_ = open_connections_;
  *this = std::move(fresh);
}

boost::json::object Statistics::to_json() const {
  boost::json::object statuses;
  for (const auto& [status, count] : statuses_) {
    statuses[status == 0 ? "none" : std::to_string(status)] = count;
  }
  boost::json::object problems;
  for (const auto& [problem, count] : problems_) {
    problems[{problem.data(), problem.size()}] = count;
  }
  boost::json::object out;
  out["token_requests"] = token_requests_;
  out["max_in_flight"] = max_in_flight_;
  out["max_per_second"] = per_second_.maximum();
  out["in_flight"] = in_flight_;
  out["connections"] = connections_;
  out["open_connections"] = open_connections_;
  out["malformed_requests"] = malformed_;
  out["instance_requests"] = instance_requests_;
  out["other_requests"] = other_requests_;
  out["statuses"] = std::move(statuses);
  out["problems"] = std::move(problems);
  return out;
}

}  // namespace msi2imds::emulator
