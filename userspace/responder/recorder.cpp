// SPDX-License-Identifier: MIT
#include "responder/recorder.hpp"

#include <array>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/clock.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::string_view kNoSource = "none";
constexpr std::array<std::string_view, 4> kSources = {"cache", "joined", "imds", kNoSource};
constexpr std::array kOutcomes = {Outcome::token,  Outcome::refused,     Outcome::denied,
                                  Outcome::failed, Outcome::bad_request, Outcome::observed};

constexpr std::array kChoices = {policy::ChosenBy::client, policy::ChosenBy::rule, policy::ChosenBy::default_,
                                 policy::ChosenBy::imds, policy::ChosenBy::nobody};

// Of requests for which neither the cache nor IMDS was asked.
bool is_without_source(Outcome outcome) {
  return outcome == Outcome::denied || outcome == Outcome::bad_request || outcome == Outcome::observed;
}

audit::Kind kind_of(Outcome outcome) {
  if (outcome == Outcome::token) {
    return audit::Kind::token;
  }
  return outcome == Outcome::refused || outcome == Outcome::denied ? audit::Kind::refusal
                                                                   : audit::Kind::other;
}

std::string_view policy_text(const std::optional<policy::Decision>& decision, bool enforced) {
  if (!decision) {
    return "";
  }
  return decision->is_allowed ? "allowed" : enforced ? "refused" : "would be refused";
}

// The identity as the caller asked for it, whatever was chosen where it named none.
const token::IdentitySelector& named_by_caller(const policy::Choice& choice) {
  static const token::IdentitySelector none;
  return choice.by == policy::ChosenBy::client ? choice.identity : none;
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::token:
      return "token";
    case Outcome::refused:
      return "refused";
    case Outcome::denied:
      return "denied";
    case Outcome::failed:
      return "failed";
    case Outcome::bad_request:
      return "bad_request";
    case Outcome::observed:
      return "observed";
  }
  return "";
}

void RequestRecord::begin() {
  time = std::chrono::system_clock::now();
  began = std::chrono::steady_clock::now();
  resource.clear();
  library.reset();
  choice.reset();
  outcome = Outcome::bad_request;
  origin.reset();
  decision.reset();
  enforced = false;
}

void Recorder::record(RequestRecord& answered, const PendingIdentityPtr& lookup) {
  const std::string_view source = answered.origin ? token::to_string(*answered.origin) : kNoSource;
  ++counters_.by_outcome_and_source[answered.outcome][source];
  counters_.durations[source].observe(answered.duration);
  counters_.would_be_refused +=
      answered.decision && !answered.decision->is_allowed && !answered.enforced ? 1 : 0;
  if (answered.choice) {
    ++counters_.by_choice[answered.choice->by];
  }
  if (lookup->identity() != nullptr) {
    keep(answered, *lookup);
  } else {
    lookup->then([this, answered = std::move(answered), weak = std::weak_ptr(lookup)] {
      if (const auto known = weak.lock()) {
        keep(answered, *known);
      }
    });
  }
}

void Recorder::keep(const RequestRecord& answered, const PendingIdentity& lookup) {
  const std::optional<SocketAddress>& dialled = lookup.dialled() ? lookup.dialled() : answered.dialled;
  ++counters_.by_port[dialled ? dialled->port() : std::uint16_t{0}];
  const std::shared_ptr<const caller::Identity>& caller = lookup.shared_identity();
  const std::string_view outcome = to_string(answered.outcome);
  const policy::Choice* choice = answered.choice ? &*answered.choice : nullptr;
  const std::string_view identity = choice != nullptr ? std::string_view(choice->identity.value) : "";
  audit_.write({.time = answered.time,
                .caller = *caller,
                .resource = answered.resource,
                .identity = identity,
                .identity_by = choice != nullptr ? policy::to_string(choice->by) : "",
                .identity_rule = choice != nullptr ? std::string_view(choice->rule) : "",
                .outcome = outcome,
                .source = answered.origin ? token::to_string(*answered.origin) : std::string_view(),
                .duration = answered.duration,
                .policy = policy_text(answered.decision, answered.enforced),
                .rule = answered.decision ? std::string_view(answered.decision->rule) : std::string_view(),
                .kind = kind_of(answered.outcome)},
               caller);
  table_.record({.time = unix_seconds(answered.time),
                 .caller = *caller,
                 .resource = answered.resource,
                 .identity = identity,
                 .outcome = outcome,
                 .granted = answered.outcome == Outcome::token && choice != nullptr
                                ? &named_by_caller(*choice)
                                : nullptr,
                 .library = answered.library});
  changed_ = true;
  flush_soon();
}

void Recorder::record_command_line(const caller::Identity& caller) {
  changed_ = table_.take_command_line(caller) || changed_;
}

void Recorder::record_observed(const PendingIdentity& lookup) {
  RequestRecord seen;
  seen.begin();
  seen.outcome = Outcome::observed;
  ++counters_.by_outcome_and_source[seen.outcome][kNoSource];
  keep(seen, lookup);
}

// Every series that may come is there from the start, so that its first increase is seen.
void Recorder::measure(metrics::Snapshot& now) const {
  auto requests = counters_.by_outcome_and_source;
  for (const Outcome outcome : kOutcomes) {
    for (const std::string_view source : kSources) {
      const bool nobody_was_asked = source == kNoSource;
      if (outcome == Outcome::failed || nobody_was_asked == is_without_source(outcome)) {
        requests[outcome].try_emplace(source);
      }
    }
  }
  for (const auto& [outcome, by_source] : requests) {
    for (const auto& [source, count] : by_source) {
      now.requests.add(count, {{"outcome", to_string(outcome)}, {"source", source}});
    }
  }
  for (const std::string_view source : kSources) {
    const auto durations = counters_.durations.find(source);
    now.durations.add(durations == counters_.durations.end() ? Histogram() : durations->second,
                      {{"source", source}});
  }
  for (const policy::ChosenBy by : kChoices) {
    const auto count = counters_.by_choice.find(by);
    now.choices.add(count == counters_.by_choice.end() ? std::uint64_t{0} : count->second,
                    {{"by", policy::to_string(by)}});
  }
  now.would_be_refused = counters_.would_be_refused;
  now.last_request = table_.last_request();
  now.callers = table_.rows().size();
  now.audit_lines.add(audit_.counters().written, {{"outcome", "written"}});
  now.audit_lines.add(audit_.counters().left_out, {{"outcome", "left_out"}});
  now.audit_lines.add(audit_.counters().failed, {{"outcome", "failed"}});
}

// What is recorded in one turn of the event loop is written together.
void Recorder::flush_soon() {
  if (!std::exchange(flushing_, true)) {
    asio::post(io_, [this] {
      flushing_ = false;
      audit_.flush();
    });
  }
}

}  // namespace msi2imds::responder
