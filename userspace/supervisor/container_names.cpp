// SPDX-License-Identifier: MIT
#include "supervisor/container_names.hpp"

#include <algorithm>
#include <utility>

#include "caller/identity.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::chrono::milliseconds kFirstInterval{100};
constexpr int kMostQuestions = 9;  // about a name, each after twice the time; then one in a minute

caller::Clues clues_of_cgroup(std::uint64_t cgroup) {
  caller::Clues clues;
  clues.has_uid = true;  // root's: whoever makes containers
  clues.has_cgroup_id = true;
  clues.cgroup_id = cgroup;
  return clues;
}

}  // namespace

asio::awaitable<void> ContainerNames::learn(const std::vector<ContainerNetwork>& found) {
  const auto now = std::chrono::steady_clock::now();
  std::vector<Container> present;
  std::vector<std::uint64_t> asked;
  std::vector<caller::Clues> questions;
  for (const ContainerNetwork& one : found) {
    const auto known = std::ranges::find(containers_, one.cgroup, &Container::cgroup);
    Container& container = present.emplace_back(known != containers_.end() ? std::move(*known) : Container());
    container.cgroup = one.cgroup;
    if (container.name.empty() && now >= container.next_question) {
      container.questions = std::min(container.questions + 1, kMostQuestions);
      container.next_question = now + kFirstInterval * (1 << container.questions);
      asked.push_back(one.cgroup);
      questions.push_back(clues_of_cgroup(one.cgroup));
    }
  }
  containers_ = std::move(present);
  if (asked.empty()) {
    co_return;
  }
  const std::vector<IdentityService::Caller> answers = co_await identities_.identify(std::move(questions));
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto container = std::ranges::find(containers_, asked[i], &Container::cgroup);
    if (container == containers_.end() || !answers[i].identity) {
      continue;
    }
    const Result<caller::Identity> identity = caller::parse_identity(*answers[i].identity);
    if (identity && identity->container_is_verified) {
      container->name = identity->container_name;
    }
  }
}

std::string ContainerNames::of(std::uint64_t cgroup) const {
  const auto found = std::ranges::find(containers_, cgroup, &Container::cgroup);
  return found == containers_.end() ? std::string() : found->name;
}

}  // namespace msi2imds::supervisor
