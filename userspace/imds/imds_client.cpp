// SPDX-License-Identifier: MIT
#include "imds/imds_client.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "base/text.hpp"
#include "http/errors.hpp"
#include "imds/errors.hpp"
#include "imds/match.hpp"
#include "imds/reply.hpp"

namespace msi2imds::imds {
namespace {

using token::Remedy;

constexpr std::size_t kMaxOtherNames = 100;

token::Failure failure(Error error, Remedy remedy) {
  return {.error = std::move(error), .remedy = remedy, .retry_after = {}};
}

// Of a Retry-After header; a date there is ignored.
std::optional<std::chrono::seconds> seconds_of(const std::string* text) {
  const auto seconds = text != nullptr ? parse_number<int>(*text) : std::nullopt;
  return seconds && *seconds >= 0 ? std::optional(std::chrono::seconds(*seconds)) : std::nullopt;
}

Reply reply_of(http::Answer answer) {
  const std::string* content_type = answer.header("Content-Type");
  return {.status = answer.status,
          .content_type = content_type != nullptr ? *content_type : std::string(),
          .retry_after = seconds_of(answer.header("Retry-After")),
          .body = std::move(answer.body)};
}

}  // namespace

// One request, and the connection that it went over: none if there was no way to IMDS.
struct ImdsClient::Exchange {
  ConnectionPtr connection;
  bool is_reused = false;
  SteadyTime began;
  Result<http::Answer> answer;
  bool has_begun = true;  // false: there was not even a socket
};

struct ImdsClient::Outcome {
  token::FetchResult result;
  bool is_no_answer = false;  // to the question, and the connection had been used before
};

// A request over a kept connection, and, when that does not do, the same over a new one.
struct ImdsClient::Race {
  explicit Race(asio::io_context& io) : changed(io) {}

  token::TokenRequest request;
  std::shared_ptr<token::Quota> quota;
  ConnectionPtr kept;
  SteadyTime began;
  std::optional<Outcome> over_kept;
  std::optional<token::FetchResult> over_new;
  bool is_asked_anew = false;
  asio::steady_timer changed;  // is cancelled whenever one of these ends

  [[nodiscard]] bool is_answered() const {
    return over_kept && !over_kept->is_no_answer;
  }
};

ImdsClient::ImdsClient(asio::io_context& io, Connector& connector, Settings settings)
    : io_(io), connector_(connector), settings_(std::move(settings)), deadlines_(io) {}

void ImdsClient::configure(Settings settings) {
  settings_ = std::move(settings);
  pool_.forget_all();
}

asio::awaitable<token::FetchResult> ImdsClient::fetch(token::TokenRequest request,
                                                      std::shared_ptr<token::Quota> quota) {
  token::Turn turn = co_await quota->turn(token::Place::behind);
  if (!turn) {
    co_return token::without_turn();
  }
  token::FetchResult result = token::without_turn();
  const std::size_t all_but_one = std::max<std::size_t>(settings_.max_in_flight, 2) - 1;
  if (ConnectionPtr kept = pool_.take(request, all_but_one)) {
    auto both = std::make_shared<Race>(io_);
    both->request = std::move(request);
    both->quota = std::move(quota);
    both->kept = std::move(kept);
    result = co_await race(std::move(both), std::move(turn));
  } else {
    Outcome outcome = co_await ask(std::move(request), nullptr, std::move(turn));
    result = std::move(outcome.result);
  }
  count(result);
  co_return result;
}

// What comes first: an answer over the kept connection, or any result over a new one.
asio::awaitable<token::FetchResult> ImdsClient::race(RacePtr race, token::Turn turn) {
  race->began = std::chrono::steady_clock::now();
  race->changed.expires_at(race->began + settings_.first_byte);
  spawn(io_, "ask IMDS over a kept connection", ask_kept(race, std::move(turn)));
  while (!race->is_answered() && !race->over_new) {
    if (race->over_kept && !race->is_asked_anew) {
      ask_anew(race, token::Place::before);
      continue;
    }
    const auto [ec] = co_await race->changed.async_wait(kAsTuple);
    if (ec) {
      continue;
    }
    race->changed.expires_at(SteadyTime::max());
    if (race->kept->is_silent()) {
      give_up_on_kept(race);
    }
  }
  co_return race->is_answered() ? std::move(race->over_kept->result) : std::move(*race->over_new);
}

// It may be dead, or IMDS slow. What IMDS does not even have it cannot answer. Else the answer may come
// still, and IMDS may be busy with it: the connection is listened to, and its turn is taken, until its time
// is up.
void ImdsClient::give_up_on_kept(const RacePtr& race) {
  const std::size_t forgotten = pool_.forget_unused_since(race->began);
  log::info("IMDS is asked over a new connection, since a kept one is silent; closed, being as old: {}",
            forgotten);
  if (race->kept->has_unacknowledged()) {
    race->kept->reset();
  } else {
    ask_anew(race, token::Place::behind);
  }
}

void ImdsClient::ask_anew(const RacePtr& race, token::Place place) {
  race->is_asked_anew = true;
  spawn(io_, "ask IMDS over a new connection", ask_new(race, place));
}

asio::awaitable<void> ImdsClient::ask_kept(RacePtr race, token::Turn turn) {
  race->over_kept = co_await ask(race->request, race->kept, turn);
  if (race->is_answered() && race->is_asked_anew && !race->over_new) {
    race->quota->leave();  // while this turn is taken, so that no other is taken in vain
  }
  race->changed.cancel();
}

asio::awaitable<void> ImdsClient::ask_new(RacePtr race, token::Place place) {
  token::Turn turn = co_await race->quota->turn(place);
  if (turn && !race->is_answered()) {
    Outcome outcome = co_await ask(race->request, nullptr, std::move(turn));
    race->over_new = std::move(outcome.result);
  } else {
    race->over_new = token::without_turn();
  }
  race->changed.cancel();
}

// Holds the turn until IMDS is done with the request.
asio::awaitable<ImdsClient::Outcome> ImdsClient::ask(token::TokenRequest request, ConnectionPtr kept,
                                                     token::Turn /*turn*/) {
  ++health_.requests;
  Exchange done = co_await exchange(request, std::move(kept));
  health_.durations.observe(std::chrono::steady_clock::now() - done.began);
  ++health_.by_status[done.answer ? done.answer->status : 0];
  const bool can_be_followed = done.answer && done.answer->can_be_followed;
  Outcome outcome = evaluate(done, request);
  if (can_be_followed) {
    pool_.keep(std::move(done.connection), settings_.idle_time);
  }
  co_return outcome;
}

asio::awaitable<ImdsClient::Exchange> ImdsClient::exchange(token::TokenRequest request, ConnectionPtr kept) {
  const Settings settings = settings_;
  Exchange exchange;
  exchange.began = std::chrono::steady_clock::now();
  exchange.is_reused = kept != nullptr;
  exchange.connection = std::move(kept);
  if (!exchange.is_reused) {
    Result<UniqueFd> fd = co_await connector_.open();
    if (!fd) {
      exchange.has_begun = false;
      exchange.answer = Error(Errc::cannot_connect, fd.error().message());
      co_return exchange;
    }
    Result<ConnectionPtr> made = co_await Connection::connect(io_, std::move(*fd), deadlines_, exchange.began,
                                                              settings.connect_timeout);
    if (!made) {
      exchange.answer = made.error();
      co_return exchange;
    }
    exchange.connection = std::move(*made);
  }
  exchange.answer = co_await exchange.connection->exchange(request, settings.host, settings.request_timeout);
  co_return exchange;
}

ImdsClient::Outcome ImdsClient::evaluate(Exchange& exchange, const token::TokenRequest& request) {
  if (!exchange.answer) {
    return evaluate_failure(exchange);
  }
  token::FetchResult result = interpret(reply_of(std::move(*exchange.answer)));
  if (result && std::holds_alternative<token::Refusal>(*result)) {
    return check_refusal(std::move(result), exchange);
  }
  return check(std::move(result), request, exchange.is_reused);
}

// IMDS may close a kept connection at any time, and whatever keeps its packets away does so with those of its
// neighbours. Whether the request that met that end was counted nobody knows, so another one costs a turn.
ImdsClient::Outcome ImdsClient::evaluate_failure(const Exchange& exchange) {
  const Error& error = exchange.answer.error();
  if (exchange.is_reused) {
    if (error.code() == http::Errc::not_http) {  // such as the rest of an earlier answer
      distrust_connections();
    }
    (void)pool_.forget_unused_since(exchange.began);
    log::debug("IMDS is asked over a new connection: {}", error.message());
  }
  const bool is_senseless = error.code() == Errc::too_large || error.code() == http::Errc::not_http;
  const Remedy remedy = is_senseless         ? Remedy::retry_briefly
                        : exchange.has_begun ? Remedy::retry_later
                                             : Remedy::retry_soon;
  return {.result = failure(error, remedy), .is_no_answer = exchange.is_reused};
}

// A refusal does not tell whom it is for. One that comes over a connection on which something else was asked
// before counts only once IMDS repeats it over a new connection.
ImdsClient::Outcome ImdsClient::check_refusal(token::FetchResult result, const Exchange& exchange) {
  const bool may_be_anothers = exchange.is_reused && !exchange.connection->history().is_of_one_question();
  return {.result = std::move(result), .is_no_answer = may_be_anothers};
}

// Whether a token is the answer to its question.
ImdsClient::Outcome ImdsClient::check(token::FetchResult result, const token::TokenRequest& request,
                                      bool is_reused) {
  const auto* token = result ? std::get_if<std::shared_ptr<const token::Token>>(&*result) : nullptr;
  if (token == nullptr) {
    return {.result = std::move(result)};
  }
  const Match fit = match(**token, request);
  const bool fits = fit.is_exact() || (fit.identity == Match::Identity::same &&
                                       is_known_name((*token)->resource, request.resource));
  if (is_reused && !fits) {
    ++health_.mix_ups;
    distrust_connections();
    return {.result = failure(Error(Errc::mixed_up, "check an answer of IMDS"), Remedy::retry_briefly),
            .is_no_answer = true};
  }
  if (fit.identity == Match::Identity::other) {
    ++health_.other_identities_refused;
    distrust_connections();
    return {.result = failure(Error(Errc::other_identity, "check an answer of IMDS"), Remedy::retry_briefly)};
  }
  if (!fit.is_same_resource) {
    ++health_.other_resources_served;
    say_other_resource(request, **token);
  }
  return {.result = std::move(result)};
}

// Whatever mixes up answers does so with the next ones as well.
void ImdsClient::distrust_connections() {
  if (pool_.is_trusting()) {
    log::warn(
        "no connection to IMDS is used twice for {} s, since an answer was not for the question that was "
        "asked",
        settings_.distrust_time.count());
  }
  pool_.distrust(settings_.distrust_time);
}

// Whether IMDS has called what was asked for by that name before, over a new connection.
bool ImdsClient::is_known_name(const std::string& name, const std::string& resource) const {
  const auto known = other_names_.find(resource);
  return known != other_names_.end() && known->second == name;
}

void ImdsClient::say_other_resource(const token::TokenRequest& request, const token::Token& token) {
  if (other_names_.size() < kMaxOtherNames && other_names_.emplace(request.resource, token.resource).second) {
    log::warn("served a token that IMDS issued for the resource '{}', asked for '{}'", token.resource,
              request.resource);
  }
}

void ImdsClient::count(const token::FetchResult& result) {
  health_.last_failed = !result;
  if (!result) {
    ++health_.failures;
    health_.last_failure = result.error().error.message();
  }
}

}  // namespace msi2imds::imds
