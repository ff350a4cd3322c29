// SPDX-License-Identifier: MIT
#include "broker/prefetcher.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace msi2imds::broker {
namespace {

// IMDS counts arrivals, which a busy machine may push together: a tenth below two a second.
constexpr std::chrono::milliseconds kSpacing{550};
// The network may come late, and IMDS may be away for a minute.
constexpr std::chrono::seconds kFirstPause{2};
constexpr std::chrono::seconds kLongestPause{30};
constexpr std::chrono::minutes kPatienceWithoutAnswer{10};

}  // namespace

Prefetcher::Prefetcher(asio::io_context& io, TokenBroker& broker, Clock& clock)
    : io_(io), broker_(broker), clock_(clock), alarm_(clock.make_alarm()) {}

void Prefetcher::prefetch(std::vector<token::TokenRequest> requests) {
  const bool is_first = lists_++ == 0;
  if (!is_first && !running_) {
    return;
  }
  left_.assign(std::make_move_iterator(requests.begin()), std::make_move_iterator(requests.end()));
  if (!running_ && !left_.empty()) {
    running_ = true;
    hope_ends_ = clock_.steady() + kPatienceWithoutAnswer;
    spawn(io_, "fetch tokens in advance", run());
  }
}

asio::awaitable<void> Prefetcher::run() {
  while (!left_.empty()) {
    const token::TokenRequest request = std::move(left_.front());
    left_.pop_front();
    if (broker_.has(request)) {
      continue;
    }
    if (broker_.is_nearly_full()) {
      log::info("no more tokens are fetched in advance: tokens.max_bytes leaves no room");
      break;
    }
    const std::uint64_t list = lists_;
    const bool is_over = co_await attempt(request);
    if (!is_over && list == lists_) {
      left_.push_back(request);
    }
    const SteadyTime next = clock_.steady() + std::max<std::chrono::milliseconds>(kSpacing, pause_);
    if (next > hope_ends_) {
      break;
    }
    co_await alarm_->wait_until(next);
  }
  left_.clear();
  running_ = false;
  log::debug("tokens fetched in advance: {}", fetched_);
}

// Whether there is an answer that will not change.
asio::awaitable<bool> Prefetcher::attempt(token::TokenRequest request) {
  if (broker_.is_asking_for(request)) {  // a caller's request, which may be in vain
    co_return false;
  }
  const token::FetchResult result = co_await broker_.fetch_ahead(request);
  if (!result) {
    wait_longer(result.error());
    co_return false;
  }
  fetched_ += std::holds_alternative<TokenPtr>(*result) ? 1 : 0;
  pause_ = {};
  failures_ = 0;
  hope_ends_ = clock_.steady() + kPatienceWithoutAnswer;
  co_return true;
}

void Prefetcher::wait_longer(const token::Failure& failure) {
  const std::chrono::seconds doubled = kFirstPause * (1 << std::min(failures_++, 10));
  pause_ = std::max(std::min(doubled, kLongestPause), failure.retry_after.value_or(kFirstPause));
  if (clock_.steady() + pause_ > hope_ends_) {
    log::warn("no more tokens are fetched in advance: {}", failure.error.message());
  } else {
    log::debug("IMDS is asked again in {} s for a token in advance: {}", pause_.count(),
               failure.error.message());
  }
}

}  // namespace msi2imds::broker
