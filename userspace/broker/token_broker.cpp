// SPDX-License-Identifier: MIT
#include "broker/token_broker.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace msi2imds::broker {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr const char* kFlight = "get a token from IMDS";  // a coroutine's name
constexpr seconds kRefreshInterval{10};
// An identity that may have been assigned just now: after 0, 1 and 3 s.
constexpr std::array<seconds, 2> kAssignmentBackOff = {seconds(1), seconds(2)};
constexpr seconds kGraceBackOff{2};
constexpr std::size_t kGraceAttempts = 10;
// How long whoever could have the old token waits for a new one.
constexpr seconds kPatienceWithOldToken{2};

bool is_not_assigned_yet(const token::FetchResult& result) {
  const auto* refusal = result ? std::get_if<token::Refusal>(&*result) : nullptr;
  return refusal != nullptr && refusal->body.find("Identity not found") != std::string::npos;
}

const TokenPtr* token_in(const token::FetchResult& result) {
  return result ? std::get_if<TokenPtr>(&*result) : nullptr;
}

token::FetchResult from_cache(const LivingToken& living, const Moment& now) {
  token::FetchResult result = token::TokenResponse(living.token);
  result.origin = token::Origin::cache;
  result.expires_on = living.life.expires_on(now);
  return result;
}

token::Failure expired() {
  return {.error = Error({}, "IMDS gave out a token that has expired; is this machine's clock right?"),
          .remedy = token::Remedy::retry_briefly,
          .retry_after = {}};
}

token::Failure busy(std::chrono::milliseconds wait) {
  return {.error = Error({}, "the queue of requests to IMDS is too long"),
          .remedy = token::Remedy::come_back,
          .retry_after = std::max(std::chrono::ceil<seconds>(wait), seconds(1))};
}

}  // namespace

// Turns in the name of all who wait for a flight.
class TokenBroker::FlightQuota final : public token::Quota {
 public:
  FlightQuota(TokenBroker& broker, FlightPtr flight) : broker_(broker), flight_(std::move(flight)) {}

  asio::awaitable<token::Turn> turn(token::Place place) override {
    const SteadyTime asked = broker_.clock_.steady();
    token::Turn turn = co_await broker_.turns_.wait(flight_->ticket, place);
    if (turn) {
      broker_.counters_.quota_waits.observe(broker_.clock_.steady() - asked);
      ++broker_.counters_.sent;
      if (std::exchange(is_first_, false)) {
        ++flight_->attempts;
        flight_->last_began = broker_.clock_.steady();
        flight_->sent = broker_.clock_.now();
      }
    }
    co_return turn;
  }

  void leave() override {
    Turns::withdraw(*flight_->ticket);
  }

 private:
  TokenBroker& broker_;
  FlightPtr flight_;
  bool is_first_ = true;
};

TokenBroker::TokenBroker(asio::io_context& io, token::Upstream& upstream, Clock& clock,
                         const Settings& settings)
    : io_(io),
      upstream_(upstream),
      clock_(clock),
      turns_(io, clock, memory_),
      refresh_alarm_(clock.make_alarm()) {
  configure(settings);
}

TokenBroker::~TokenBroker() = default;

void TokenBroker::configure(const Settings& settings) {
  settings_ = settings;
  cache_.configure(settings);
  turns_.configure(settings.max_rate, settings.max_in_flight);
  if (!settings.cache) {
    (void)flush({}, {});
  }
}

void TokenBroker::keep_in(UniqueFd memory, std::string_view issuer) {
  const bool is_new = cache_.count() == 0;
  const Result<void> kept = cache_.keep_in(std::move(memory), issuer, clock_.now());
  if (!kept) {
    log::warn("tokens do not outlast this process: {}", kept.error().message());
    return;
  }
  if (is_new && cache_.count() > 0) {
    log::info("tokens that have outlasted an earlier process: {}", cache_.count());
  }
  turns_.go_on();
  keep_fresh();
}

std::size_t TokenBroker::flush(std::string_view resource, std::string_view identity) {
  for (const auto& [key, flight] : flights_) {
    flight->is_flushed = flight->is_flushed || is_named(flight->request, resource, identity);
  }
  return cache_.flush(resource, identity);
}

void TokenBroker::end_waits() {
  waits_ended_ = true;
  for (const auto& [key, flight] : flights_) {
    for (const Waiter& waiter : flight->waiters) {
      waiter.alarm->ring();
    }
  }
}

std::optional<token::FetchResult> TokenBroker::find(const token::TokenRequest& request) {
  if (!settings_.cache || request.bypass_cache) {
    return std::nullopt;
  }
  const Moment now = clock_.now();
  const LivingToken* living = cache_.find_fresh(key_of(request), now);
  if (living == nullptr) {
    return std::nullopt;
  }
  ++counters_.from_cache;
  return from_cache(*living, now);
}

asio::awaitable<token::FetchResult> TokenBroker::fetch(token::TokenRequest request) {
  std::optional<token::FetchResult> kept = find(request);
  if (kept) {
    co_return *std::move(kept);
  }
  const bool joins = flights_.contains(key_of(request));
  const FlightPtr flight = waits_ended_ ? nullptr : find_or_start(request);
  if (!flight) {
    co_return answer_without(nullptr, request);
  }
  Waiter waiter;
  waiter.deadline = clock_.steady() + settings_.deadline;
  waiter.alarm = clock_.make_alarm();
  flight->waiters.push_back(waiter);
  if (find_old(request)) {
    const SteadyTime patience = std::min(clock_.steady() + kPatienceWithOldToken, waiter.deadline);
    co_await waiter.alarm->wait_until(patience);
  }
  const bool leaves_with_old = !flight->result && find_old(request);
  if (!flight->result && !leaves_with_old && !waits_ended_) {
    co_await waiter.alarm->wait_until(waiter.deadline);
  }
  waiter.unlink();
  if (flight->result) {
    token::FetchResult result = *flight->result;
    if (joins && result.origin == token::Origin::imds) {
      result.origin = token::Origin::joined;
    }
    co_return result;
  }
  if (leaves_with_old) {
    go_on_without_callers(flight);
  } else if (flight->is_abandoned()) {
    Turns::withdraw(*flight->ticket);
    flight->alarm->ring();
  }
  co_return answer_without(flight.get(), request);
}

// While a machine's identities may still be missing, a refusal of one is none.
asio::awaitable<token::FetchResult> TokenBroker::fetch_ahead(token::TokenRequest request) {
  const FlightPtr flight = start(request);
  flight->is_refresh = true;
  co_await fly(flight);
  if (is_not_assigned_yet(*flight->result) && clock_.boot() < BootTime(settings_.boot_grace)) {
    const token::Failure missing{.error = Error({}, "IMDS does not find the identity yet"),
                                 .remedy = token::Remedy::retry_later,
                                 .retry_after = {}};
    co_return missing;
  }
  co_return *flight->result;
}

bool TokenBroker::has(const token::TokenRequest& request) {
  return find_old(request).has_value();
}

// What a caller gets whose flight did not end in time, or could not begin.
token::FetchResult TokenBroker::answer_without(const Flight* flight, const token::TokenRequest& request) {
  if (std::optional<token::FetchResult> old = find_old(request)) {
    return *std::move(old);
  }
  if (waits_ended_) {  // no last answer: it may be a refusal that would have passed, and is final to clients
    return token::cut_short();
  }
  if (flight != nullptr && flight->last_answer) {
    const nanoseconds alone = flight->left_alone_until - clock_.steady();
    return alone > nanoseconds(0) && !*flight->last_answer ? left_alone(alone, flight->last_answer->error())
                                                           : *flight->last_answer;
  }
  if (flight == nullptr || flight->attempts == 0) {
    ++counters_.refused_busy;
    return busy(turns_.expected_wait(request.asker));
  }
  return token::Failure{
      .error = Error::from_errno(ETIMEDOUT, "wait for IMDS"), .remedy = {}, .retry_after = {}};
}

// A token that is still valid, though it should be replaced; nothing for those who insist on a new one.
std::optional<token::FetchResult> TokenBroker::find_old(const token::TokenRequest& request) {
  const Moment now = clock_.now();
  const LivingToken* living = request.bypass_cache ? nullptr : cache_.find_valid(key_of(request), now);
  return living == nullptr ? std::nullopt : std::optional(from_cache(*living, now));
}

// Its callers take the old token, and so do others meanwhile: nobody else waits for this flight.
void TokenBroker::go_on_without_callers(const FlightPtr& flight) {
  cache_.keep_serving(key_of(flight->request), clock_.now());
  if (flight->waiters.empty()) {
    flight->is_refresh = true;
    turns_.demote(flight->ticket);
  }
}

// Nothing: the user has so many requests waiting that this one would be in vain.
TokenBroker::FlightPtr TokenBroker::find_or_start(const token::TokenRequest& request) {
  const auto found = flights_.find(key_of(request));
  if (found != flights_.end()) {
    ++counters_.joined;
    turns_.join(found->second->ticket, request.asker);
    return found->second;
  }
  if (turns_.expected_wait(request.asker) >= settings_.deadline) {
    return nullptr;
  }
  ++counters_.asked;
  assignments_.name(request.identity, clock_.steady());
  FlightPtr flight = start(request);
  turns_.join(flight->ticket, request.asker);
  spawn(io_, kFlight, fly(flight));
  return flight;
}

TokenBroker::FlightPtr TokenBroker::start(const token::TokenRequest& request) {
  auto flight = std::make_shared<Flight>();
  flight->request = request;
  flight->ticket = std::make_shared<Turns::Ticket>(clock_.make_alarm());
  flight->alarm = clock_.make_alarm();

  flights_.emplace(key_of(flight->request), flight);
  return flight;
}

// Asks until there is an answer that callers may see, or nobody waits for one any more.
asio::awaitable<void> TokenBroker::fly(FlightPtr flight) {
  co_await asio::post(io_, asio::use_awaitable);  // whoever began it waits for it before it can end
  bool again = true;
  while (again) {
    const token::FetchResult result = co_await attempt(flight);
    if (settle(*flight, result)) {
      co_return;
    }
    again = co_await pause(flight);
  }
  finish(*flight, flight->last_answer ? *flight->last_answer : token::FetchResult(busy({})));
}

asio::awaitable<token::FetchResult> TokenBroker::attempt(FlightPtr flight) {
  flight->sent = clock_.now();
  auto quota = std::make_shared<FlightQuota>(*this, flight);
  token::FetchResult result = co_await upstream_.fetch(flight->request, std::move(quota));
  if (const TokenPtr* token = token_in(result)) {
    clocks_.learn(**token, flight->sent, clock_.now());
    flight->life.emplace(**token, flight->sent);
    if (flight->life->left(clock_.now()) <= nanoseconds(0)) {
      co_return expired();
    }
  }
  co_return result;
}

// Whether the flight is over with this result.
bool TokenBroker::settle(Flight& flight, const token::FetchResult& result) {
  if (is_not_assigned_yet(result)) {
    if (const auto wait = wait_for_assignment(flight)) {
      flight.last_answer = result;
      flight.next_wait = *wait;
      return false;
    }
  }
  if (result) {
    if (std::holds_alternative<TokenPtr>(*result)) {
      assignments_.confirm(flight.request.identity, clock_.steady());
    }
    finish(flight, result);
    return true;
  }
  flight.last_answer = result;
  if (const std::optional<token::FetchResult> old = find_old(flight.request)) {
    cache_.keep_serving(key_of(flight.request), clock_.now());
    finish(flight, *old);
    return true;
  }
  return false;
}

// How long to wait before IMDS is asked once more for an identity that it does not find; nothing if that is
// final.
std::optional<seconds> TokenBroker::wait_for_assignment(Flight& flight) {
  if (flight.waiters.empty()) {
    return std::nullopt;
  }
  const auto missed = static_cast<std::size_t>(flight.times_missing++);
  if (clock_.boot() < BootTime(settings_.boot_grace)) {
    return missed + 1 < kGraceAttempts ? std::optional(kGraceBackOff) : std::nullopt;
  }
  const bool may_come = assignments_.may_come(flight.request.identity, clock_.steady());
  return may_come && missed < kAssignmentBackOff.size() ? std::optional(kAssignmentBackOff[missed])
                                                        : std::nullopt;
}

void TokenBroker::finish(Flight& flight, const token::FetchResult& result) {
  const Moment now = clock_.now();
  const TokenPtr* token = token_in(result);
  const bool is_new = token != nullptr && result.origin == token::Origin::imds;
  if (is_new && settings_.cache && !flight.is_flushed) {
    cache_.store(flight.request, {.token = *token, .life = *flight.life}, now);
    keep_fresh();
  }
  flight.result = result;
  if (is_new) {
    flight.result->expires_on = flight.life->expires_on(now);
  }
  flights_.erase(key_of(flight.request));
  for (const Waiter& waiter : flight.waiters) {
    waiter.alarm->ring();
  }
}

// Waits before the next attempt. False: there is no point in another one.
asio::awaitable<bool> TokenBroker::pause(FlightPtr flight) {
  const std::optional<SteadyTime> until = flight->next_attempt(clock_.steady());
  if (!until) {
    co_return false;
  }
  while (clock_.steady() < *until && !flight->waiters.empty()) {
    co_await flight->alarm->wait_until(*until);
  }
  co_return !flight->waiters.empty();
}

void TokenBroker::keep_fresh() {
  if (cache_.count() > 0 && !refreshing_) {
    refreshing_ = true;
    spawn(io_, "keep tokens fresh", refresh());
  }
}

// Replaces tokens before anybody has to wait for it. Runs as long as there are tokens.
asio::awaitable<void> TokenBroker::refresh() {
  while (cache_.count() > 0) {
    co_await refresh_alarm_->wait_until(clock_.steady() + kRefreshInterval);
    for (const token::TokenRequest& request : cache_.due_for_refresh(clock_.now())) {
      if (!flights_.contains(key_of(request))) {
        const FlightPtr flight = start(request);
        flight->is_refresh = true;
        spawn(io_, kFlight, fly(flight));
      }
    }
  }
  refreshing_ = false;
}

}  // namespace msi2imds::broker
