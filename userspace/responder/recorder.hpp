// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "audit/log.hpp"
#include "base/histogram.hpp"
#include "base/socket_address.hpp"
#include "metrics/snapshot.hpp"
#include "policy/identity_choice.hpp"
#include "policy/policy.hpp"
#include "responder/identity_book.hpp"
#include "token/failure.hpp"
#include "usage/table.hpp"

namespace msi2imds::responder {

// How a request ended.
enum class Outcome : std::uint8_t { token, refused, denied, failed, bad_request, observed };

[[nodiscard]] std::string_view to_string(Outcome outcome);

// A request that was answered. Filled in on its way, and used again for the next one of its connection.
struct RequestRecord {
  std::chrono::system_clock::time_point time;
  std::chrono::steady_clock::time_point began;
  std::chrono::microseconds duration{};
  std::string resource;
  std::optional<token::Library> library;  // nothing: it could not be read
  std::optional<policy::Choice> choice;   // nothing: it was no token request
  Outcome outcome = Outcome::bad_request;
  std::optional<token::Origin> origin;  // of the answer; nothing: nobody was asked
  std::optional<policy::Decision> decision;
  bool enforced = false;                 // the decision
  std::optional<SocketAddress> dialled;  // as far as the accepted socket tells

  void begin();
};

// Records what became of requests: audit lines, the table of callers, metrics. No request waits for it.
class Recorder {
 public:
  explicit Recorder(asio::io_context& io) : io_(io) {}

  // Records the request as soon as its caller is known, which may be at once; until then it keeps the texts.
  void record(RequestRecord& answered, const PendingIdentityPtr& lookup);

  // The caller's command line has become known, perhaps after its request was recorded.
  void record_command_line(const caller::Identity& caller);

  // A connection that others serve.
  void record_observed(const PendingIdentity& lookup);

  [[nodiscard]] audit::Log& audit_log() {
    return audit_;
  }
  [[nodiscard]] usage::Table& table() {
    return table_;
  }
  // What table() holds has changed since.
  [[nodiscard]] bool take_change() {
    return std::exchange(changed_, false);
  }
  // Requests by the port that was dialled.
  [[nodiscard]] const std::map<std::uint16_t, std::uint64_t>& requests() const {
    return counters_.by_port;
  }
  // Adds what is counted here.
  void measure(metrics::Snapshot& now) const;

 private:
  struct Counters {
    std::map<std::uint16_t, std::uint64_t> by_port;  // that was dialled
    std::map<Outcome, std::map<std::string_view, std::uint64_t>> by_outcome_and_source;
    std::map<std::string_view, Histogram> durations;  // by source
    std::map<policy::ChosenBy, std::uint64_t> by_choice;
    std::uint64_t would_be_refused = 0;
  };

  void keep(const RequestRecord& answered, const PendingIdentity& lookup);
  void flush_soon();

  asio::io_context& io_;
  audit::Log audit_;
  usage::Table table_;
  Counters counters_;
  bool changed_ = false;
  bool flushing_ = false;
};

}  // namespace msi2imds::responder
