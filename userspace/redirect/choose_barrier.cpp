// SPDX-License-Identifier: MIT
#include "redirect/barrier.hpp"

#include <cerrno>
#include <iterator>
#include <utility>

#include "redirect/barrier_rules.hpp"
#include "redirect/bpf_barrier.hpp"
#include "redirect/iptables_barrier.hpp"
#include "redirect/nft_barrier.hpp"
#include "redirect/rules_barrier.hpp"

namespace msi2imds::redirect {

std::string host_of(const SocketAddress& address) {
  std::string text = address.to_string();
  text.resize(text.rfind(':'));
  const bool is_in_brackets = text.starts_with('[');
  return is_in_brackets ? text.substr(1, text.size() - 2) : text;
}

std::vector<std::unique_ptr<Barrier>> all_barriers(const std::string& pin_directory) {
  std::vector<std::unique_ptr<Barrier>> all;
  all.push_back(std::make_unique<BpfBarrier>(pin_directory));
  all.push_back(std::make_unique<RulesBarrier>(std::make_unique<NftBarrier>()));
  all.push_back(std::make_unique<RulesBarrier>(std::make_unique<IptablesBarrier>()));
  return all;
}

asio::awaitable<Result<std::unique_ptr<Barrier>>> raise_barrier(const BarrierPlan& plan,
                                                                std::string pin_directory,
                                                                std::string tried) {
  std::string reasons;
  std::vector<std::unique_ptr<Barrier>> all = all_barriers(pin_directory);
  for (std::unique_ptr<Barrier>& barrier : all) {
    if (barrier->name() == tried) {
      continue;
    }
    const Result<void> raised = co_await barrier->raise(plan);
    if (raised) {
      co_return std::move(barrier);
    }
    reasons += (reasons.empty() ? "" : "; ") + std::string(barrier->name()) + ": " + raised.error().message();
  }
  co_return Error::from_errno(ENOTSUP, "close IMDS to users (" + reasons + ")");
}

asio::awaitable<Result<std::vector<std::string>>> find_barriers(std::string pin_directory) {
  std::vector<std::string> names;
  const std::vector<std::unique_ptr<Barrier>> all = all_barriers(pin_directory);
  for (const std::unique_ptr<Barrier>& barrier : all) {
    const Result<std::vector<std::string>> found = co_await barrier->find_leftovers();
    if (!found) {
      co_return found.error();
    }
    names.insert(names.end(), found->begin(), found->end());
  }
  co_return names;
}

asio::awaitable<Leftovers> remove_barriers_but(std::string raised, std::string pin_directory) {
  Leftovers leftovers;
  const std::vector<std::unique_ptr<Barrier>> all = all_barriers(pin_directory);
  for (const std::unique_ptr<Barrier>& barrier : all) {
    if (barrier->name() == raised) {
      continue;
    }
    Result<std::vector<std::string>> found = co_await barrier->find_leftovers();
    const std::string name(barrier->name());
    if (!found) {
      leftovers.failures.push_back(name + ": " + found.error().message());
      continue;
    }
    const Result<void> removed = co_await barrier->remove_leftovers();
    if (!removed) {
      leftovers.failures.push_back(name + ": " + removed.error().message());
    } else {
      std::move(found->begin(), found->end(), std::back_inserter(leftovers.removed));
    }
  }
  co_return leftovers;
}

}  // namespace msi2imds::redirect
