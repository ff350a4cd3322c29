// SPDX-License-Identifier: MIT
#include "confinement/landlock.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "base/unique_fd.hpp"

// <linux/landlock.h> of the machine that builds may be older than the kernel that runs it, or missing.
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

namespace msi2imds::confinement {
namespace {

struct Ruleset {
  std::uint64_t file_rights = 0;
  std::uint64_t net_rights = 0;  // from version 4
  std::uint64_t scopes = 0;      // from version 6
};

struct __attribute__((packed)) PathRule {
  std::uint64_t allowed = 0;
  std::int32_t parent = -1;
};

constexpr unsigned kAskVersion = 1;
constexpr int kPathBeneath = 1;
constexpr int kNetVersion = 4;
constexpr int kScopeVersion = 6;

constexpr std::uint64_t kReadFile = 1U << 2;
constexpr std::uint64_t kReadDirectory = 1U << 3;

// Version 1 knows 13 rights of files, 2 adds linking into other directories, 3 truncation, 5 ioctls of
// devices.
constexpr std::uint64_t file_rights(int version) {
  const int known = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
  return (std::uint64_t{1} << known) - 1;
}

Ruleset strictest(int version) {
  Ruleset ruleset{.file_rights = file_rights(version)};
  ruleset.net_rights = version >= kNetVersion ? 0b11 : 0;  // bind and connect of TCP
  ruleset.scopes = version >= kScopeVersion ? 0b11 : 0;    // abstract unix sockets, signals
  return ruleset;
}

// An older kernel refuses what it does not know, even where it is zero.
std::size_t size_of_ruleset(int version) {
  return version >= kScopeVersion ? sizeof(Ruleset)
         : version >= kNetVersion ? offsetof(Ruleset, scopes)
                                  : offsetof(Ruleset, net_rights);
}

Result<void> allow_reading(const UniqueFd& ruleset, const std::string& path) {
  const UniqueFd parent(::open(path.c_str(), O_PATH | O_CLOEXEC));
  const PathRule rule{.allowed = kReadFile | kReadDirectory, .parent = parent.get()};
  if (!parent || ::syscall(SYS_landlock_add_rule, ruleset.get(), kPathBeneath, &rule, 0U) != 0) {
    return Error::from_errno(errno, "allow reading '" + path + "' by Landlock");
  }
  return {};
}

}  // namespace

Result<int> allow_no_paths_but(const std::vector<std::string>& readable) {
  const int version =
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0}, kAskVersion));
  if (version < 1) {
    return 0;  // not built in, not switched on at boot, or forbidden by a filter of those who started us
  }
  const Ruleset wanted = strictest(version);
  const UniqueFd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &wanted, size_of_ruleset(version), 0U)));
  if (!ruleset) {
    return Error::from_errno(errno, "make a ruleset of Landlock");
  }
  for (const std::string& path : readable) {
    const Result<void> allowed = allow_reading(ruleset, path);
    if (!allowed) {
      return allowed.error();
    }
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0U) != 0) {
    return Error::from_errno(errno, "put Landlock in force");
  }
  return version;
}

}  // namespace msi2imds::confinement
