// SPDX-License-Identifier: MIT
#include "kernel/bpf_objects.hpp"

#include <bpf/bpf.h>
#include <sys/stat.h>

#include <chrono>
#include <optional>
#include <string_view>
#include <thread>

#include "base/unique_fd.hpp"

namespace msi2imds::kernel {
namespace {

constexpr std::chrono::seconds kPatience{5};

// Names are cut to 15 characters by the kernel.
constexpr std::string_view kOurPrefix = "msi2imds_";

template <typename Details>
std::optional<Details> details_of(const UniqueFd& object) {
  Details details{};
  std::uint32_t size = sizeof details;
  if (!object || bpf_obj_get_info_by_fd(object.get(), &details, &size) != 0) {
    return std::nullopt;
  }
  return details;
}

ino_t own_namespace() {
  struct stat found {};
  (void)::stat("/proc/self/ns/net", &found);
  return found.st_ino;
}

}  // namespace

std::vector<AttachedLink> attached_links() {
  const ino_t own = own_namespace();
  std::vector<AttachedLink> links;
  std::uint32_t id = 0;
  while (bpf_link_get_next_id(id, &id) == 0) {
    const auto link = details_of<bpf_link_info>(UniqueFd(bpf_link_get_fd_by_id(id)));
    if (link && link->type == BPF_LINK_TYPE_NETNS && link->netns.netns_ino == own) {
      links.push_back({.id = id, .program_id = link->prog_id});
    }
  }
  return links;
}

bool program_exists(std::uint32_t id) {
  return static_cast<bool>(UniqueFd(bpf_prog_get_fd_by_id(id)));
}

std::size_t count_our_programs() {
  std::size_t count = 0;
  std::uint32_t id = 0;
  while (bpf_prog_get_next_id(id, &id) == 0) {
    const auto program = details_of<bpf_prog_info>(UniqueFd(bpf_prog_get_fd_by_id(id)));
    if (program && std::string_view(program->name).starts_with(kOurPrefix)) {
      ++count;
    }
  }
  return count;
}

bool comes_true(const std::function<bool()>& condition) {
  constexpr int kEmulated = 4;  // a firewall's tool takes seconds on a machine that is emulated
  const auto deadline = std::chrono::steady_clock::now() + kEmulated * kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

}  // namespace msi2imds::kernel
