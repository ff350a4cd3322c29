// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/unique_fd.hpp"

namespace msi2imds::cli {

// Puts this process into a cgroup, and back again when it goes. Does nothing without a name, and where it is
// not permitted.
class CgroupVisit {
 public:
  explicit CgroupVisit(const std::string& cgroup);
  CgroupVisit(const CgroupVisit&) = delete;
  CgroupVisit& operator=(const CgroupVisit&) = delete;
  ~CgroupVisit();

 private:
  UniqueFd home_;  // the cgroup it came from
};

}  // namespace msi2imds::cli
