// SPDX-License-Identifier: MIT
#include "resolver/hash_queue.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace msi2imds::resolver {
namespace {

constexpr int kMostWithHasher = 2;                // of one owner
constexpr std::chrono::seconds kHashDeadline{2};  // for one piece of a program: disks may be slow

}  // namespace

HashQueue::HashQueue(asio::io_context& io, std::chrono::milliseconds patience, Hooks hooks)
    : io_(io), patience_(patience), hooks_(std::move(hooks)) {}

void HashQueue::push(Owner owner, const Question& question) {
  waiting_.push(owner, question);
  if (!std::exchange(working_, true)) {
    spawn(io_, "hash the programs of callers", work());
  } else if (hasher_) {
    ask_hasher();
  }
}

asio::awaitable<void> HashQueue::work() {
  while (!waiting_.empty() || !with_hasher_.empty()) {
    if (!hasher_ && !start_hasher()) {
      while (const auto next = waiting_.pop()) {
        finish(next->second.number, false);
      }
      break;
    }
    ask_hasher();
    const std::optional<ProcReader::Reply> reply = co_await hasher_->receive(kHashDeadline, patience_);
    const bool is_expected =
        reply && reply->kind == ReplyKind::hashed && with_hasher_.erase(reply->number) > 0;
    if (is_expected) {
      finish(reply->number, true);
    }
    if (!is_expected || is_hasher_overdue()) {
      give_up_hasher();
    }
  }
  working_ = false;
}

bool HashQueue::start_hasher() {
  Result<std::unique_ptr<ProcReader>> hasher = hooks_.start_hasher();
  if (!hasher) {
    log::warn("the hash of programs stays unknown: cannot {}", hasher.error().message());
    return false;
  }
  hasher_ = std::move(*hasher);
  return true;
}

void HashQueue::ask_hasher() {
  const auto may_ask = [this](Owner owner) {
    return std::ranges::count_if(with_hasher_, [owner](const auto& asked) {
             return asked.second.owner == owner;
           }) < kMostWithHasher;
  };
  while (const auto next = waiting_.pop_if(may_ask)) {
    const auto& [owner, question] = *next;
    if (!hooks_.is_wanted(question.number)) {
      continue;
    }
    if (!hasher_->ask(question)) {
      waiting_.push(owner, question);  // it has to take earlier ones first
      return;
    }
    with_hasher_.emplace(question.number, Asked{.owner = owner, .when = std::chrono::steady_clock::now()});
  }
}

bool HashQueue::is_hasher_overdue() const {
  const auto now = std::chrono::steady_clock::now();
  return std::ranges::any_of(with_hasher_,
                             [&](const auto& asked) { return now - asked.second.when >= patience_; });
}

// Its disk hangs, or it says what it was not asked.
void HashQueue::give_up_hasher() {
  hasher_.reset();
  for (const auto& [number, asked] : std::exchange(with_hasher_, {})) {
    finish(number, false);
  }
}

void HashQueue::finish(std::uint64_t number, bool is_hashed) const {
  if (hooks_.is_wanted(number)) {
    hooks_.finish(number, is_hashed);
  }
}

}  // namespace msi2imds::resolver
