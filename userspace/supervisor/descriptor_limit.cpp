// SPDX-License-Identifier: MIT
#include "supervisor/descriptor_limit.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.hpp"
#include "base/number_of.hpp"

namespace msi2imds::supervisor {
namespace {

// Listeners, admin connections, connections to IMDS, and what the runtime opens.
constexpr rlim_t kOtherDescriptors = 128;
// Of a process, as kernels have it by default (fs.nr_open): more than the largest responder.max_connections
// takes.
constexpr rlim_t kMostDescriptors = rlim_t{1024} * 1024;

// Only with CAP_SYS_RESOURCE can the hard limit be raised.
bool raise(rlim_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return false;
  }
  if (limit.rlim_cur >= needed) {
    return true;
  }
  const rlimit higher{.rlim_cur = needed, .rlim_max = std::max(limit.rlim_max, needed)};
  return ::setrlimit(RLIMIT_NOFILE, &higher) == 0;
}

}  // namespace

std::size_t spare_connections(std::size_t connections) {
  return std::clamp<std::size_t>(connections / 8, 4, 1024);
}

void raise_descriptor_limit(std::size_t connections, std::size_t listeners) {
  const rlim_t needed = connections + 2 * spare_connections(connections) + kOtherDescriptors + listeners;
  if (raise(needed)) {
    return;
  }
  use_whole_descriptor_limit();
  log::warn(
      "responder.max_connections is {}, but the limit of open files, which cannot be raised to {}, leaves "
      "room "
      "for {} at a time",
      connections, needed, number_of(connections_within_limit(), "connection"));
}

void allow_most_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < kMostDescriptors) {
    limit.rlim_max = kMostDescriptors;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);  // a reload that needs more will log it
  }
}

void use_whole_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

std::size_t connections_within_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return kOtherDescriptors;
  }
  // A fifth is enough for both kinds of spare connections. Where there are few descriptors, half of them are
  // left for everything else.
  return limit.rlim_cur - std::min(kOtherDescriptors + limit.rlim_cur / 5, limit.rlim_cur / 2);
}

}  // namespace msi2imds::supervisor
