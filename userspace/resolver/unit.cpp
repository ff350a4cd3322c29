// SPDX-License-Identifier: MIT
#include "resolver/unit.hpp"

#include <algorithm>
#include <array>

namespace msi2imds::resolver {
namespace {

constexpr std::array<std::string_view, 4> kUnitSuffixes = {".service", ".scope", ".socket", ".mount"};
constexpr std::size_t kIdLength = 64;

// Takes the next part off the path; empty at its end.
std::string_view next_part(std::string_view& path) {
  while (path.starts_with('/')) {
    path.remove_prefix(1);
  }
  const std::string_view part = path.substr(0, path.find('/'));
  path.remove_prefix(part.size());
  return part;
}

bool is_unit(std::string_view name) {
  return std::ranges::any_of(kUnitSuffixes, [name](std::string_view suffix) {
    return name.size() > suffix.size() && name.ends_with(suffix);
  });
}

bool is_id(std::string_view text) {
  return text.size() == kIdLength &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string unit_of(std::string_view cgroup) {
  std::string_view part = next_part(cgroup);
  while (part.size() > 6 && part.ends_with(".slice")) {
    part = next_part(cgroup);
  }
  if (part.starts_with('_')) {  // names that the kernel's own files could have are escaped so
    part.remove_prefix(1);
  }
  return is_unit(part) ? std::string(part) : std::string();
}

// "docker-ID.scope", "cri-containerd-ID.scope", "crio-ID.scope", "libpod-ID.scope", or the id alone.
std::string container_of(std::string_view cgroup) {
  std::string found;
  for (std::string_view part = next_part(cgroup); !part.empty(); part = next_part(cgroup)) {
    if (part.ends_with(".scope")) {
      part.remove_suffix(6);
    }
    const std::size_t dash = part.rfind('-');
    const std::string_view id = dash == std::string_view::npos ? part : part.substr(dash + 1);
    if (is_id(id)) {
      found = id;  // the innermost
    }
  }
  return found;
}

bool container_is_verified(std::string_view cgroup) {
  std::string_view rest = cgroup;
  std::string_view part = next_part(rest);
  if (part == "user.slice") {
    return false;
  }
  for (; !part.empty(); part = next_part(rest)) {
    const std::string id = container_of(part);
    if (!id.empty()) {
      return id == container_of(cgroup);
    }
    if (is_unit(part)) {
      return false;
    }
  }
  return false;
}

std::string_view above_container(std::string_view cgroup) {
  std::string_view rest = cgroup;
  for (std::string_view part = next_part(rest); !part.empty(); part = next_part(rest)) {
    if (!container_of(part).empty()) {
      return cgroup.substr(0, cgroup.size() - rest.size() - part.size());
    }
  }
  return cgroup;
}

}  // namespace msi2imds::resolver
