// SPDX-License-Identifier: MIT
#include "waagent/presence.hpp"

#include "waagent/extension.hpp"
#include "waagent/process.hpp"

namespace msi2imds::waagent {

bool is_present(const Places& places) {
  if (!find_processes(places.proc).empty()) {
    return true;
  }
  const auto extension = find_extension(places.root);
  return !extension || (*extension && (*extension)->is_installed());
}

}  // namespace msi2imds::waagent
