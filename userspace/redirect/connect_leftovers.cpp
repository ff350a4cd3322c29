// SPDX-License-Identifier: MIT
#include "redirect/connect_leftovers.hpp"

#include <unistd.h>

#include <filesystem>

#include "loader/cgroup.hpp"
#include "loader/cgroup_attachment.hpp"
#include "loader/pinned_link.hpp"
#include "redirect/connect_programs.hpp"
#include "redirect/own_namespace.hpp"

namespace msi2imds::redirect {
namespace {

// What the names of this network namespace's pins begin with; others use the same directory.
std::string connect_pin_prefix() {
  return "cgroup_connect_" + std::to_string(own_namespace()) + "_";
}

}  // namespace

std::string connect_pins_of(const Plan& plan) {
  return plan.may_outlive_us && !plan.pin_directory.empty() ? plan.pin_directory + "/" + connect_pin_prefix()
                                                            : std::string();
}

std::string pinned_memory(const std::string& pins) {
  return pins + "dialled";
}

void forget_pinned_memory(const std::string& pins) {
  const std::filesystem::path path(pinned_memory(pins));
  const std::string directory = path.parent_path().string();
  if (loader::find_pins(directory, connect_pin_prefix(), BPF_LINK_TYPE_CGROUP).empty()) {
    (void)::unlink(path.c_str());
    (void)::rmdir(directory.c_str());  // stays when somebody else uses it
  }
}

// Looks at every cgroup: an earlier process may have been configured with others.
std::vector<std::string> detach_connect_leftovers(const std::vector<std::uint32_t>& kept) {
  std::vector<std::string> removed;
  loader::visit_cgroups([&](int directory, const std::string& path) {
    const std::size_t count = loader::detach_leftovers(directory, kept, was_attached_from_here);
    if (count > 0) {
      removed.push_back("cgroup_connect: " + std::to_string(count) + " programs on cgroup '" + path + "'");
    }
  });
  return removed;
}

Result<std::vector<std::string>> unpin_connect_leftovers(const std::vector<std::string>& kept,
                                                         const Plan& plan) {
  Result<std::vector<std::string>> removed =
      loader::remove_pins_but(kept, plan.pin_directory, connect_pin_prefix(), BPF_LINK_TYPE_CGROUP);
  if (!removed) {
    return removed.error();
  }
  forget_pinned_memory(plan.pin_directory + "/" + connect_pin_prefix());
  for (std::string& path : *removed) {
    path.insert(0, "cgroup_connect: the link pinned at ");
  }
  return removed;
}

}  // namespace msi2imds::redirect
