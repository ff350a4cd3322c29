// SPDX-License-Identifier: MIT
#include "unit/broker/fixture.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

namespace msi2imds::broker {
namespace {

asio::awaitable<void> call(TokenBroker& broker, Clock& clock, TokenRequest request, CallPtr call) {
  call->asked = clock.steady();
  FetchResult result = co_await broker.fetch(std::move(request));
  call->answered = clock.steady();
  call->result.emplace(std::move(result));
}

}  // namespace

TokenRequest request_for(std::string resource, std::uint32_t uid) {
  TokenRequest request;
  request.resource = std::move(resource);
  request.asker = {.owner = uid, .uid = uid};
  return request;
}

TokenRequest request_as(std::string identity) {
  TokenRequest request = request_for("vault");
  request.identity.kind = token::SelectorKind::client_id;
  request.identity.value = std::move(identity);
  return request;
}

TokenRequest bypassing(std::string resource) {
  TokenRequest request = request_for(std::move(resource));
  request.bypass_cache = true;
  return request;
}

Settings without_max_age() {
  Settings settings;
  settings.max_age = hours(24 * 36500);
  return settings;
}

TokenPtr make_token_with(WallTime expires_on, std::optional<seconds> expires_in, WallTime not_before) {
  auto token = std::make_shared<token::Token>();
  token->expires_on = unix_seconds(expires_on);
  token->not_before = unix_seconds(not_before);
  if (expires_in) {
    token->expires_in = expires_in->count();
  }
  return token;
}

TokenPtr make_token(WallTime expires, std::string text) {
  auto token = std::make_shared<token::Token>();
  token->access_token.assign(text.begin(), text.end());
  token->expires_on = std::chrono::duration_cast<seconds>(expires.time_since_epoch()).count();
  return token;
}

FetchResult failure(token::Remedy remedy, std::optional<seconds> retry_after) {
  return token::Failure{.error = Error({}, "scripted"), .remedy = remedy, .retry_after = retry_after};
}

FetchResult refusal(std::string body) {
  return token::TokenResponse(token::Refusal{.status = 400, .body = std::move(body)});
}

bool is_token(const FetchResult& result) {
  return result && std::holds_alternative<TokenPtr>(*result);
}

bool is_refusal(const FetchResult& result) {
  return result && std::holds_alternative<token::Refusal>(*result);
}

TokenPtr token_of(const FetchResult& result) {
  return is_token(result) ? std::get<TokenPtr>(*result) : nullptr;
}

asio::awaitable<FetchResult> FakeSource::fetch(TokenRequest request, std::shared_ptr<token::Quota> quota) {
  token::Turn turn = co_await quota->turn(token::Place::behind);
  if (!turn) {
    co_return token::without_turn();
  }
  if (vain_for) {
    asio::co_spawn(io_, be_in_vain(request, std::move(turn)), asio::detached);
    turn = co_await quota->turn(second_place);
    if (!turn) {
      co_return token::without_turn();
    }
  }
  co_return co_await answer_one(std::move(request), std::move(turn));
}

asio::awaitable<FetchResult> FakeSource::answer_one(TokenRequest request, token::Turn /*turn*/) {
  starts.push_back({.at = clock_.steady(), .request = request});
  most_running = std::max(most_running, ++running);
  FetchResult result = next_answer(request);
  if (delay > nanoseconds(0)) {
    const auto alarm = clock_.make_alarm();
    co_await alarm->wait_until(clock_.steady() + delay);
  }
  --running;
  co_return result;
}

asio::awaitable<void> FakeSource::be_in_vain(TokenRequest request, token::Turn /*turn*/) {
  starts.push_back({.at = clock_.steady(), .request = std::move(request)});
  most_running = std::max(most_running, ++running);
  const auto alarm = clock_.make_alarm();
  co_await alarm->wait_until(clock_.steady() + *vain_for);
  --running;
}

FetchResult FakeSource::next_answer(const TokenRequest& request) {
  if (!script_.empty()) {
    FetchResult result = std::move(script_.front());
    script_.pop_front();
    return result;
  }
  if (answer) {
    return answer(request);
  }
  return token::TokenResponse(make_token(clock_.wall() + delay + lifetime));
}

CallPtr BrokerTest::ask(TokenRequest request) {
  auto pending = std::make_shared<Call>();
  asio::co_spawn(io_, call(broker_, clock_, std::move(request), pending), asio::detached);
  clock_.settle();
  return pending;
}

FetchResult BrokerTest::ask_now(TokenRequest request) {
  const CallPtr pending = ask(std::move(request));
  if (!pending->result) {
    ADD_FAILURE() << "the caller has to wait";
    return failure();
  }
  return *pending->result;
}

std::vector<double> BrokerTest::start_times(SteadyTime since) const {
  std::vector<double> times;
  for (const FakeSource::Start& start : source_.starts) {
    times.push_back(std::chrono::duration<double>(start.at - since).count());
  }
  return times;
}

std::size_t BrokerTest::most_starts_in_a_second() const {
  std::size_t most = 0;
  for (auto first = source_.starts.begin(), last = first; last != source_.starts.end(); ++last) {
    while (last->at - first->at > seconds(1)) {
      ++first;
    }
    most = std::max(most, static_cast<std::size_t>(last - first) + 1);
  }
  return most;
}

}  // namespace msi2imds::broker
