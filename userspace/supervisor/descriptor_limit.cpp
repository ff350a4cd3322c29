// SPDX-License-Identifier: MIT
#include "supervisor/descriptor_limit.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.hpp"

namespace msi2imds::supervisor {
namespace {

// Listeners, admin connections, connections to IMDS, and what the runtime opens.
constexpr rlim_t kOtherDescriptors = 128;

}  // namespace

void raise_descriptor_limit(std::size_t connections) {
  const rlim_t needed = connections + kOtherDescriptors;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) {
    return;
  }
  const rlimit higher{.rlim_cur = needed, .rlim_max = std::max(limit.rlim_max, needed)};
  if (::setrlimit(RLIMIT_NOFILE, &higher) == 0) {
    return;
  }
  limit.rlim_cur = limit.rlim_max;  // as far as it goes without CAP_SYS_RESOURCE
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  log::warn("raise the limit of open files to {}: not permitted; at most {} connections at a time", needed,
            connections_within_limit());
}

std::size_t connections_within_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= 2 * kOtherDescriptors) {
    return kOtherDescriptors;
  }
  return limit.rlim_cur - kOtherDescriptors;
}

}  // namespace msi2imds::supervisor
