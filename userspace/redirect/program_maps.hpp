// SPDX-License-Identifier: MIT
#pragma once

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"

// What a program that somebody has loaded keeps in its maps.
namespace msi2imds::redirect {

[[nodiscard]] inline std::vector<UniqueFd> maps_of(int program) {
  std::array<std::uint32_t, 16> ids{};
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  info.nr_map_ids = ids.size();
  info.map_ids = reinterpret_cast<std::uintptr_t>(ids.data());
  std::vector<UniqueFd> maps;
  if (bpf_obj_get_info_by_fd(program, &info, &size) == 0) {
    for (std::size_t i = 0; i < std::min<std::size_t>(info.nr_map_ids, ids.size()); ++i) {
      maps.emplace_back(bpf_map_get_fd_by_id(ids.at(i)));
    }
  }
  return maps;
}

// The first value of the program's map of that name, if its values are of this size.
template <typename Value>
[[nodiscard]] std::optional<Value> first_value(int program, std::string_view map_name) {
  for (const UniqueFd& map : maps_of(program)) {
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    const std::uint32_t first = 0;
    Value value{};
    if (map && bpf_obj_get_info_by_fd(map.get(), &info, &size) == 0 && map_name == info.name &&
        info.value_size == sizeof value && bpf_map_lookup_elem(map.get(), &first, &value) == 0) {
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace msi2imds::redirect
