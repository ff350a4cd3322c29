// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "redirect/barrier.hpp"
#include "redirect/cgroup_connect.hpp"
#include "redirect/iptables.hpp"
#include "redirect/listen.hpp"
#include "redirect/nftables.hpp"
#include "redirect/redirector.hpp"
#include "redirect/sk_lookup.hpp"

namespace msi2imds::redirect {
namespace {

asio::awaitable<void> remove_leftovers_of(const Redirector& redirector, const Plan& plan, Removal removal,
                                          Leftovers& leftovers) {
  Result<std::vector<std::string>> removed = co_await redirector.remove_leftovers(plan, removal);
  if (removed) {
    std::move(removed->begin(), removed->end(), std::back_inserter(leftovers.removed));
  } else {
    leftovers.failures.push_back(std::string(redirector.name()) + ": " + removed.error().message());
  }
}

}  // namespace

Error cannot_choose_callers() {
  return Error::from_errno(ENOTSUP, "limit the redirection to redirect.cgroups");
}

std::string falls_through_at_restarts(const std::string& why_not_pinned) {
  return "connections fall through while the service restarts: " + why_not_pinned;
}

std::vector<std::unique_ptr<Redirector>> all_redirectors() {
  std::vector<std::unique_ptr<Redirector>> all;
  all.push_back(std::make_unique<SkLookupRedirector>());
  all.push_back(std::make_unique<CgroupConnectRedirector>());
  all.push_back(std::make_unique<NftablesRedirector>());
  all.push_back(std::make_unique<IptablesRedirector>());
  all.push_back(std::make_unique<ListenRedirector>());
  return all;
}

bool do_filters_bind(std::string_view backend) {
  return std::ranges::any_of(all_redirectors(), [backend](const auto& redirector) {
    return redirector->name() == backend && redirector->keeps_port();
  });
}

asio::awaitable<Result<Choice>> choose(std::string backend, const Plan& plan) {
  Choice choice;
  for (auto& redirector : all_redirectors()) {
    if (backend != "auto" && backend != redirector->name()) {
      continue;
    }
    const Result<void> probed = co_await redirector->probe(plan);
    if (probed) {
      choice.redirector = std::move(redirector);
      co_return choice;
    }
    choice.refused.push_back(std::string(redirector->name()) + ": " + probed.error().message());
  }
  if (choice.refused.empty()) {
    co_return Error::from_errno(EINVAL,
                                "choose a redirection backend: there is none named '" + backend + "'");
  }
  std::string reasons;
  for (const std::string& reason : choice.refused) {
    reasons += (reasons.empty() ? "" : "; ") + reason;
  }
  co_return Error::from_errno(ENOTSUP, "choose a redirection backend (" + reasons + ")");
}

asio::awaitable<Leftovers> remove_all_leftovers(const Plan& plan) {
  Leftovers leftovers;
  for (const auto& redirector : all_redirectors()) {
    co_await remove_leftovers_of(*redirector, plan, Removal::at_once, leftovers);
  }
  Leftovers barriers = co_await remove_barriers_but("", plan.pin_directory);
  std::move(barriers.removed.begin(), barriers.removed.end(), std::back_inserter(leftovers.removed));
  std::move(barriers.failures.begin(), barriers.failures.end(), std::back_inserter(leftovers.failures));
  co_return leftovers;
}

asio::awaitable<Leftovers> remove_leftovers_of_others(const Plan& plan, const Redirector& installed) {
  Leftovers leftovers;
  for (const auto& redirector : all_redirectors()) {
    if (redirector->name() != installed.name()) {
      co_await remove_leftovers_of(*redirector, plan, Removal::gently, leftovers);
    }
  }
  co_return leftovers;
}

}  // namespace msi2imds::redirect
