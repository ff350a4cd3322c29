// SPDX-License-Identifier: MIT
#include "imds/imds_client.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/log.hpp"
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

// Of a Retry-After header; a date is as good as none.
std::optional<std::chrono::seconds> seconds_of(const std::string* text) {
  int seconds = 0;
  if (text == nullptr) {
    return std::nullopt;
  }
  const char* const text_end = text->data() + text->size();
  const auto [end, ec] = std::from_chars(text->data(), text_end, seconds);
  if (ec != std::errc() || end != text_end || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds(seconds);
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
  std::uint64_t generation = 0;
  bool is_reused = false;
  bool can_be_followed = false;
  Result<http::Answer> answer;
};

ImdsClient::ImdsClient(asio::io_context& io, Connector& connector, Settings settings)
    : io_(io), connector_(connector), settings_(std::move(settings)), deadlines_(io) {}

void ImdsClient::configure(Settings settings) {
  settings_ = std::move(settings);
  forget_connections();
}

void ImdsClient::forget_connections() {
  ++generation_;
  idle_.clear();
}

// A late copy of an earlier answer would be the very token that a caller wants to be rid of.
ConnectionPtr ImdsClient::take_idle(const token::TokenRequest& request) {
  if (request.bypass_cache) {
    return nullptr;
  }
  while (true) {
    const auto found = std::find_if(idle_.rbegin(), idle_.rend(), [&](const ConnectionPtr& connection) {
      return connection->history().suits(request);
    });
    if (found == idle_.rend()) {
      return nullptr;
    }
    ConnectionPtr connection = std::move(*found);
    idle_.erase(std::next(found).base());
    if (connection->wake()) {
      return connection;
    }
  }
}

void ImdsClient::keep(const Exchange& exchange) {
  if (!exchange.can_be_followed || exchange.generation != generation_ ||
      std::chrono::steady_clock::now() < trusted_again_) {
    return;
  }
  if (idle_.size() == kMaxIdleConnections) {
    idle_.erase(idle_.begin());
  }
  exchange.connection->rest();
  idle_.push_back(exchange.connection);
}

asio::awaitable<Result<ConnectionPtr>> ImdsClient::connect() {
  Result<UniqueFd> fd = co_await connector_.open();
  if (!fd) {
    co_return Error(Errc::cannot_connect, fd.error().message());
  }
  co_return co_await Connection::connect(io_, std::move(*fd), deadlines_, settings_.connect_timeout);
}

asio::awaitable<ImdsClient::Exchange> ImdsClient::exchange(token::TokenRequest request) {
  const Settings settings = settings_;
  Exchange exchange;
  exchange.generation = generation_;
  exchange.connection = take_idle(request);
  exchange.is_reused = exchange.connection != nullptr;
  if (!exchange.is_reused) {
    Result<ConnectionPtr> made = co_await connect();
    if (!made) {
      exchange.answer = made.error();
      co_return exchange;
    }
    exchange.connection = std::move(*made);
  }
  exchange.answer = co_await exchange.connection->exchange(request, settings.host, settings.request_timeout);
  exchange.can_be_followed = exchange.answer && exchange.answer->can_be_followed;
  co_return exchange;
}

asio::awaitable<token::FetchResult> ImdsClient::fetch(token::TokenRequest request) {
  ++health_.requests;
  const auto began = std::chrono::steady_clock::now();
  Exchange done = co_await exchange(request);
  health_.durations.observe(std::chrono::steady_clock::now() - began);
  ++health_.by_status[done.answer ? done.answer->status : 0];
  token::FetchResult result = evaluate(done, request);
  keep(done);
  count(result);
  co_return result;
}

token::FetchResult ImdsClient::evaluate(Exchange& exchange, const token::TokenRequest& request) {
  if (!exchange.answer) {
    return evaluate_failure(exchange);
  }
  token::FetchResult result = interpret(reply_of(std::move(*exchange.answer)));
  if (result && std::holds_alternative<token::Refusal>(*result)) {
    return check_refusal(std::move(result), exchange);
  }
  return check(std::move(result), request, exchange.is_reused);
}

// IMDS may close a kept connection at any time. Whether the request that met that end was counted nobody
// knows, so it goes through the quota once more instead of being sent again from here.
token::FetchResult ImdsClient::evaluate_failure(const Exchange& exchange) {
  const Error& error = exchange.answer.error();
  if (exchange.is_reused && error.code() == Errc::not_http) {  // such as the rest of an earlier answer
    distrust_connections();
    return failure(error, Remedy::retry_at_once);
  }
  if (exchange.is_reused && error.code() == Errc::connection_lost &&
      !exchange.connection->heard_something()) {
    return failure(error, Remedy::retry_at_once);
  }
  const bool is_senseless = error.code() == Errc::too_large || error.code() == Errc::not_http;
  return failure(error, is_senseless ? Remedy::retry_briefly : Remedy::retry_later);
}

// To whom a refusal is said it does not tell: one over a connection on which something else was asked before
// is heard from a new connection first.
token::FetchResult ImdsClient::check_refusal(token::FetchResult result, const Exchange& exchange) {
  if (!exchange.is_reused || exchange.connection->history().is_of_one_question()) {
    return result;
  }
  forget_connections();
  return failure(Error(Errc::mixed_up, "check a refusal of IMDS"), Remedy::retry_at_once);
}

// Whether a token is the answer to its question.
token::FetchResult ImdsClient::check(token::FetchResult result, const token::TokenRequest& request,
                                     bool is_reused) {
  const auto* token = result ? std::get_if<std::shared_ptr<const token::Token>>(&*result) : nullptr;
  if (token == nullptr) {
    return result;
  }
  Match fit = match(**token, request);
  fit.is_same_resource = fit.is_same_resource || is_known_name((*token)->resource, request.resource);
  if (is_reused && !fit.is_exact()) {
    ++health_.mix_ups;
    distrust_connections();
    return failure(Error(Errc::mixed_up, "check an answer of IMDS"), Remedy::retry_at_once);
  }
  if (fit.identity == Match::Identity::other) {
    ++health_.other_identities_refused;
    distrust_connections();
    return failure(Error(Errc::other_identity, "check an answer of IMDS"), Remedy::retry_briefly);
  }
  if (!fit.is_same_resource) {
    ++health_.other_resources_served;
    say_other_resource(request, **token);
  }
  return result;
}

// Whatever mixes up answers does so with the next ones as well.
void ImdsClient::distrust_connections() {
  const auto now = std::chrono::steady_clock::now();
  if (now >= trusted_again_) {
    log::warn("use no connection to IMDS twice for {} s: an answer was not for the question that was asked",
              settings_.distrust_time.count());
  }
  trusted_again_ = now + settings_.distrust_time;
  forget_connections();
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
