// SPDX-License-Identifier: MIT
#include "resolver/user_names.hpp"

#include <cerrno>

namespace msi2imds::resolver {
namespace {

constexpr std::chrono::seconds kNamesAge{10};
constexpr std::size_t kMostNames = 4096;

}  // namespace

std::string UserNames::find(uid_t uid) {
  const auto now = std::chrono::steady_clock::now();
  if (now - read_ > kNamesAge || names_.size() >= kMostNames) {
    names_.clear();
    read_ = now;
  }
  const auto known = names_.find(uid);
  if (known != names_.end()) {
    return known->second;
  }
  errno = 0;
  const auto user = accounts::find_user(uid, passwd_file_);
  const bool could_be_read = user || errno == 0;
  std::string name = user ? user->name : std::string();
  if (could_be_read) {
    names_.emplace(uid, name);
  }
  return name;
}

}  // namespace msi2imds::resolver
