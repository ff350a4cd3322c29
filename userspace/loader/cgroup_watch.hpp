// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::loader {

// Tells when a cgroup may have been made.
class CgroupWatch {
 public:
  static Result<CgroupWatch> open();

  // From here on fd() becomes readable when the cgroup, or one above it, is made, or one beside these. To be
  // called again after that, and now and then: what is above it may have been made again.
  void follow(const std::string& cgroup);

  // To be read empty. Does not block.
  [[nodiscard]] int fd() const {
    return inotify_.get();
  }

 private:
  explicit CgroupWatch(UniqueFd inotify) : inotify_(std::move(inotify)) {}

  UniqueFd inotify_;
};

}  // namespace msi2imds::loader
