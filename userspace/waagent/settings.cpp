// SPDX-License-Identifier: MIT
#include "waagent/settings.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <string_view>
#include <tuple>

#include "base/text.hpp"
#include "waagent/tree.hpp"

namespace msi2imds::waagent {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxSettings = std::size_t{256} * 1024;
constexpr std::string_view kSuffix = ".settings";

bool is_numbered(std::string_view name) {
  return name.ends_with(kSuffix) && name.size() > kSuffix.size() &&
         name.substr(0, name.size() - kSuffix.size()).find_first_not_of("0123456789") ==
             std::string_view::npos;
}

// Of two that were modified at the same time, the one with the larger number.
bool is_older(const struct stat& a, const std::string& a_name, const struct stat& b,
              const std::string& b_name) {
  const auto key = [](const struct stat& file, const std::string& name) {
    return std::tuple(file.st_mtim.tv_sec, file.st_mtim.tv_nsec, name.size(), name);
  };
  return key(a, a_name) < key(b, b_name);
}

std::string find_active(const UniqueFd& config) {
  std::string active;
  struct stat active_stat {};
  for (const std::string& name : names_in(config)) {
    struct stat found {};
    if (is_numbered(name) && ::fstatat(config.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        (active.empty() || is_older(active_stat, active, found, name))) {
      active = name;
      active_stat = found;
    }
  }
  return active;
}

const json::value* member(const json::value* value, std::string_view name) {
  const json::object* object = value != nullptr ? value->if_object() : nullptr;
  return object != nullptr ? object->if_contains(name) : nullptr;
}

std::optional<std::uint16_t> port_of(const json::value* value) {
  if (value == nullptr) {
    return std::nullopt;
  }
  if (const json::string* text = value->if_string()) {
    return parse_port(std::string(*text));
  }
  const std::int64_t* number = value->if_int64();
  return number != nullptr ? parse_port(std::to_string(*number)) : std::nullopt;
}

}  // namespace

std::optional<std::uint16_t> parse_port(const std::string& text) {
  const auto port = parse_number<std::uint16_t>(text);
  return port != 0 ? port : std::nullopt;
}

Result<std::optional<Settings>> read_settings(const UniqueFd& config) {
  const std::string active = find_active(config);
  if (active.empty()) {
    return std::optional<Settings>();
  }
  const Result<std::string> text = read_below(config, active, kMaxSettings);
  if (!text) {
    return text.error();
  }
  Settings settings{.file = active, .port = std::nullopt, .is_protected = false};
  if (text->find_first_not_of(" \t\r\n") == std::string::npos) {
    return std::optional(settings);
  }
  boost::system::error_code ec;
  const json::value document = json::parse(*text, ec);
  if (ec) {
    return Error(ec, "understand '" + active + "'");
  }
  const json::value* all = member(&document, "runtimeSettings");
  const json::array* list = all != nullptr ? all->if_array() : nullptr;
  const json::value* first = list != nullptr && !list->empty() ? &list->front() : nullptr;
  const json::value* handler = member(first, "handlerSettings");
  const json::value* secret = member(handler, "protectedSettings");
  const json::value* port = member(member(handler, "publicSettings"), "port");
  settings.is_protected = secret != nullptr && !secret->is_null();
  settings.port = port_of(port);
  if (port != nullptr && !settings.port) {
    return Error::from_errno(EINVAL, "understand the port in '" + active + "'");
  }
  return std::optional(settings);
}

}  // namespace msi2imds::waagent
