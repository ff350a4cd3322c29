// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <unordered_map>
#include <utility>

#include "accounts/accounts.hpp"

namespace msi2imds::resolver {

// The names of users by their numbers, as in passwd(5), kept for ten seconds. What could not be read is read
// again the next time.
class UserNames {
 public:
  explicit UserNames(std::string passwd_file = accounts::kPasswdFile)
      : passwd_file_(std::move(passwd_file)) {}

  // Empty: there is none, or the file cannot be read.
  [[nodiscard]] std::string find(uid_t uid);

 private:
  std::string passwd_file_;
  std::unordered_map<uid_t, std::string> names_;
  std::chrono::steady_clock::time_point read_;
};

}  // namespace msi2imds::resolver
