// SPDX-License-Identifier: MIT
#include "caller/identity.hpp"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <cerrno>
#include <exception>

#include "base/escape.hpp"

namespace msi2imds::caller {
namespace {

namespace json = boost::json;

void append_text(std::string& out, std::string_view name, std::string_view text) {
  if (!text.empty()) {
    out += ",\"" + std::string(name) + "\":\"" + escape::json(text) + "\"";
  }
}

std::string write(const Identity& identity) {
  std::string out = "{\"verified\":";
  out += identity.program_is_verified ? "true" : "false";
  if (identity.uid) {
    out += ",\"uid\":" + std::to_string(*identity.uid);
  }
  if (identity.pid) {
    out += ",\"pid\":" + std::to_string(*identity.pid);
  }
  if (!identity.gids.empty()) {
    out += ",\"gids\":[";
    for (const gid_t gid : identity.gids) {
      out += std::to_string(gid) + ",";
    }
    out.back() = ']';
  }
  append_text(out, "user", identity.user);
  append_text(out, "comm", identity.comm);
  append_text(out, "program", identity.program);
  append_text(out, "command_line", identity.command_line);
  append_text(out, "cgroup", identity.cgroup);
  append_text(out, "unit", identity.unit);
  append_text(out, "container", identity.container);
  append_text(out, "unknown_because", identity.unknown_because);
  return out + "}";
}

// escape::json writes each byte that is not ASCII as a character of its own, which UTF-8 spells with two.
std::string bytes_of(std::string_view utf8) {
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    if (lead >= 0x80U && i + 1 < utf8.size()) {
      const auto next = static_cast<unsigned char>(utf8[++i]);
      bytes += static_cast<char>(((lead & 0x03U) << 6U) | (next & 0x3fU));
    } else {
      bytes += utf8[i];
    }
  }
  return bytes;
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  return value == nullptr ? std::string() : bytes_of(json::value_to<std::string>(*value));
}

template <typename Number>
std::optional<Number> number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  return value == nullptr ? std::nullopt : std::optional(value->to_number<Number>());
}

}  // namespace

// A program or cgroup that was cut would be another one: what does not fit is left out, longest first.
std::string to_json(const Identity& identity, std::size_t max_size) {
  std::string text = write(identity);
  if (text.size() <= max_size) {
    return text;
  }
  Identity shorter = identity;
  while (!shorter.command_line.empty() && text.size() > max_size) {
    shorter.command_line.resize(shorter.command_line.size() / 2);
    text = write(shorter);
  }
  while (text.size() > max_size) {
    const std::array<std::string*, 7> texts = {&shorter.program,   &shorter.cgroup,          &shorter.unit,
                                               &shorter.container, &shorter.unknown_because, &shorter.user,
                                               &shorter.comm};
    std::string& longest = **std::ranges::max_element(
        texts, {}, [](const std::string* one) { return escape::json(*one).size(); });
    if (longest.empty()) {
      if (shorter.gids.empty()) {
        break;  // nobody has so little room
      }
      shorter.gids.clear();
    }
    if (&longest == &shorter.program) {
      shorter.program_is_verified = false;
    }
    longest.clear();
    text = write(shorter);
  }
  return text;
}

Result<Identity> parse_identity(std::string_view json_text) {
  try {
    const json::value value = json::parse({json_text.data(), json_text.size()});
    const json::object& object = value.as_object();
    Identity identity;
    identity.program_is_verified = object.at("verified").as_bool();
    identity.uid = number_of<uid_t>(object, "uid");
    identity.pid = number_of<pid_t>(object, "pid");
    if (const json::value* gids = object.if_contains("gids")) {
      identity.gids = json::value_to<std::vector<gid_t>>(*gids);
    }
    identity.user = text_of(object, "user");
    identity.comm = text_of(object, "comm");
    identity.program = text_of(object, "program");
    identity.command_line = text_of(object, "command_line");
    identity.cgroup = text_of(object, "cgroup");
    identity.unit = text_of(object, "unit");
    identity.container = text_of(object, "container");
    identity.unknown_because = text_of(object, "unknown_because");
    return identity;
  } catch (const std::exception&) {  // Boost.JSON's accessors throw
    return Error::from_errno(EPROTO, "read an identity");
  }
}

}  // namespace msi2imds::caller
