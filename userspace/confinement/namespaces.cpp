// SPDX-License-Identifier: MIT
#include "confinement/namespaces.hpp"

#include <sched.h>
#include <sys/mount.h>

#include <array>

namespace msi2imds::confinement {
namespace {

struct Namespace {
  const char* name;
  int flag;
};

}  // namespace

std::vector<std::string> take_own_namespaces() {
  constexpr std::array kWanted = {Namespace{"mount", CLONE_NEWNS}, Namespace{"ipc", CLONE_NEWIPC},
                                  Namespace{"uts", CLONE_NEWUTS}};
  std::vector<std::string> taken;
  for (const Namespace& wanted : kWanted) {
    if (::unshare(wanted.flag) == 0) {
      taken.emplace_back(wanted.name);
    }
  }
  if (!taken.empty() && taken.front() == kWanted.front().name) {
    // Otherwise a file system would stay in use for as long as we run.
    (void)::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr);
  }
  return taken;
}

}  // namespace msi2imds::confinement
