// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "caller/clues.hpp"
#include "caller/identity.hpp"
#include "resolver/cgroup_paths.hpp"
#include "resolver/process.hpp"
#include "resolver/search_budget.hpp"
#include "resolver/user_names.hpp"

namespace msi2imds::resolver {

struct Found {
  caller::Identity identity;
  std::int64_t started = 0;  // the process, ns since boot; 0: it is not there to look at
};

// Finds out who callers are. May hang on a hostile process: for a process of its own (Resolver).
class Identifier {
 public:
  Identifier(std::string proc, UniqueFd cgroup_root, UserNames users = UserNames(),
             SearchBudget budget = SearchBudget())
      : proc_(std::move(proc)),
        cgroup_paths_(std::move(cgroup_root)),
        users_(std::move(users)),
        budget_(std::move(budget)) {}

  // One answer for each question, in order.
  [[nodiscard]] std::vector<Found> identify(std::span<const caller::Clues> questions);

 private:
  using Holders = std::map<ino_t, std::vector<pid_t>>;

  // `holders` are none when nobody looked for them.
  Found identify(const caller::Clues& question, const std::optional<Holders>& holders);
  std::optional<Holders> look_for_holders(std::span<const caller::Clues> questions);
  void describe_dialler(Found& found, const caller::Clues& question);
  void describe_holder(Found& found, ino_t inode, const Holders& holders);

  std::string proc_;
  CgroupPaths cgroup_paths_;
  UserNames users_;
  SearchBudget budget_;  // of looks for holders
};

// What is known without looking at /proc.
[[nodiscard]] caller::Identity known_from(const caller::Clues& question, UserNames& users);

}  // namespace msi2imds::resolver
