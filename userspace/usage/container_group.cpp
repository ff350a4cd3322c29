// SPDX-License-Identifier: MIT
#include "usage/container_group.hpp"

#include <algorithm>
#include <cstddef>

#include "base/text.hpp"

namespace msi2imds::usage {
namespace {

constexpr std::size_t kShortestId = 12;

bool is_hex_digit(char c) {
  return hex_digit(c).has_value();
}

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "silly_wozniak", and "silly_wozniak3" where that was taken.
bool is_made_up_by_docker(std::string_view name) {
  if (!name.empty() && is_digit(name.back())) {
    name.remove_suffix(1);
  }
  const std::size_t middle = name.find('_');
  return middle != std::string_view::npos && middle > 0 && middle + 1 < name.size() &&
         std::ranges::all_of(name.substr(0, middle), is_lower) &&
         std::ranges::all_of(name.substr(middle + 1), is_lower);
}

// No vowels, and no digits that look like letters: Kubernetes keeps words out of what it makes up.
bool is_of_kubernetes(char c) {
  return std::string_view("bcdfghjklmnpqrstvwxz2456789").find(c) != std::string_view::npos;
}

// Takes a '-' and what follows it off the end of a pod's name, where that is so long and of such characters.
bool take_ending(std::string_view& pod, std::size_t least, std::size_t most, bool (*is_one)(char)) {
  const std::size_t dash = pod.rfind('-');
  const std::string_view ending = dash == std::string_view::npos ? "" : pod.substr(dash + 1);
  if (ending.size() < least || ending.size() > most || !std::ranges::all_of(ending, is_one)) {
    return false;
  }
  pod = pod.substr(0, dash);
  return true;
}

// With a '-' at the end where there was more: "sync-" of a deployment's "sync-7d9f46b8c-x2x5q", of a cron
// job's "sync-28391230-x2x5q" and of a daemon set's "sync-x2x5q".
std::string_view without_what_is_made_up(std::string_view pod) {
  std::string_view rest = pod;
  if (take_ending(rest, 5, 5, is_of_kubernetes) && !take_ending(rest, 8, 10, is_digit)) {
    (void)take_ending(rest, 6, 10, is_of_kubernetes);
  }
  return pod.substr(0, rest.size() == pod.size() ? pod.size() : rest.size() + 1);
}

}  // namespace

ContainerGroup group_of(std::string_view name, std::string_view image) {
  if (image.empty()) {
    return {};
  }
  const std::size_t space = name.find('/');
  const std::size_t within = name.rfind('/');
  if (space == within) {
    return {.image = image, .name = is_made_up_by_docker(name) ? "" : name, .within = {}};
  }
  const std::string_view pod = without_what_is_made_up(name.substr(space + 1, within - space - 1));
  return {.image = image, .name = name.substr(0, space + 1 + pod.size()), .within = name.substr(within + 1)};
}

std::string without_container(std::string_view place, std::string_view container) {
  std::string text(place);
  if (container.size() < kShortestId || !std::ranges::all_of(container, is_hex_digit)) {
    return text;
  }
  for (std::size_t at = text.find(container); at != std::string::npos; at = text.find(container)) {
    text.replace(at, container.size(), "*");
  }
  return text;
}

}  // namespace msi2imds::usage
