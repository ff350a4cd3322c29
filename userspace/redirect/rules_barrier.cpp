// SPDX-License-Identifier: MIT
#include "redirect/rules_barrier.hpp"

#include <cerrno>
#include <utility>

#include "base/run_to_end.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {

RulesBarrier::RulesBarrier(std::unique_ptr<BarrierRules> rules) : rules_(std::move(rules)) {}

asio::awaitable<Result<void>> RulesBarrier::keep_guard() {
  if (guard_ && !is_guard_at_work_) {
    co_return Result<void>();
  }
  Guard::Undo undo = [rules = rules_] {
    const Result<void> removed = run_to_end(rules->remove(Whose::ours));
    return removed || !is_busy(removed.error());
  };
  const std::vector<int> none;
  Result<Guard> guard = co_await Guard::start(std::move(undo), none);
  if (!guard) {
    co_return guard.error();
  }
  dismiss_guard();  // it would remove what is put next
  guard_.emplace(std::move(*guard));
  co_return Result<void>();
}

void RulesBarrier::dismiss_guard() {
  if (guard_) {
    guard_->dismiss();
    guard_.reset();
  }
  is_guard_at_work_ = false;
  is_raised_ = false;
}

// The guard is started before the rules are put, so that they never exist without it. It stays after a tool
// that was killed, which may have put them.
asio::awaitable<Result<void>> RulesBarrier::raise(const BarrierPlan& plan) {
  if (!plan.cgroups.empty()) {
    co_return Error::from_errno(ENOTSUP, "limit the barrier to redirect.cgroups");
  }
  patience_ = plan.patience;
  const Result<void> guarded = co_await keep_guard();
  if (!guarded) {
    co_return guarded;
  }
  const auto put_rules = [this, &plan] { return rules_->put(plan); };
  const Result<void> put = co_await insist(deadline_after(patience_), put_rules);
  if (put) {
    is_raised_ = true;
  } else if (!is_raised_ && !is_busy(put.error())) {
    dismiss_guard();
  }
  co_return put;
}

asio::awaitable<Result<void>> RulesBarrier::check() {
  return rules_->check();
}

asio::awaitable<Result<void>> RulesBarrier::lower() {
  if (!guard_) {
    co_return Result<void>();
  }
  const auto remove_rules = [this] { return rules_->remove(Whose::ours); };
  const Result<void> removed = co_await insist(deadline_after(patience_), remove_rules);
  if (removed) {
    dismiss_guard();
  } else {
    guard_->take_over();
    is_guard_at_work_ = true;
    is_raised_ = false;
  }
  co_return removed;
}

bool RulesBarrier::hand_over() {
  const bool can = is_raised_;
  if (can) {
    dismiss_guard();
  }
  return can;
}

asio::awaitable<Result<std::vector<std::string>>> RulesBarrier::find_leftovers() const {
  return rules_->find();
}

asio::awaitable<Result<void>> RulesBarrier::remove_leftovers() const {
  const Result<std::vector<std::string>> found = co_await rules_->find();
  if (!found) {
    co_return found.error();
  }
  if (found->empty()) {
    co_return Result<void>();
  }
  const auto remove_rules = [this] { return rules_->remove(Whose::anybodys); };
  co_return co_await insist(deadline_after(BarrierPlan().patience), remove_rules);
}

}  // namespace msi2imds::redirect
