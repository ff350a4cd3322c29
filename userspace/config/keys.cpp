// SPDX-License-Identifier: MIT
#include "config/keys.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "config/selector.hpp"

namespace msi2imds::config {
namespace {

// Ties a name to the kind of value it takes and to the field that holds it.
template <typename Kind, typename Field>
Key key(std::string_view name, Kind kind, Field field) {
  auto read = [kind, field](const Value& value, Config& config, const Complain& complain) {
    if (auto wanted = kind.read(value, complain)) {
      field(config) = std::move(*wanted);
    }
  };
  auto write = [kind, field](const Config& config) { return kind.write(field(config)); };
  return {name, std::move(read), std::move(write)};
}

constexpr Number<std::uint16_t> kPort{1, 65535};
constexpr std::string_view kAutomatic = "auto";

// An array of ports, or "auto".
Key ports_key() {
  constexpr Ports kPorts{kMaxLegacyPorts};
  auto read = [kPorts](const Value& value, Config& config, const Complain& complain) {
    const auto* word = std::get_if<std::string>(&value.content);
    config.legacy.find_ports = word != nullptr && *word == kAutomatic;
    if (config.legacy.find_ports) {
      config.legacy.ports = Legacy().ports;
    } else if (word != nullptr) {
      complain(value.position, "\"" + *word + "\" is no choice; expected \"auto\" or an array of ports");
    } else if (auto ports = kPorts.read(value, complain)) {
      config.legacy.ports = std::move(*ports);
    }
  };
  auto write = [kPorts](const Config& config) {
    return config.legacy.find_ports ? Value{std::string(kAutomatic)} : kPorts.write(config.legacy.ports);
  };
  return {"legacy.ports", std::move(read), std::move(write)};
}

std::vector<Key> make_keys() {
  return {
      ports_key(),
      key(
          "legacy.hosts", Texts{check_host}, [](auto& c) -> auto& { return c.legacy.hosts; }),
      key(
          "legacy.require_metadata_header", Flag{},
          [](auto& c) -> auto& { return c.legacy.require_metadata_header; }),
      key(
          "redirect.backend", Choice(kBackends), [](auto& c) -> auto& { return c.redirect.backend; }),
      key(
          "redirect.listen_port", kPort, [](auto& c) -> auto& { return c.redirect.listen_port; }),
      key(
          "redirect.cgroups", Texts{check_cgroup}, [](auto& c) -> auto& { return c.redirect.cgroups; }),
      key(
          "redirect.mark", Number<std::uint32_t>{1, 4'294'967'295},
          [](auto& c) -> auto& { return c.redirect.mark; }),
      key(
          "redirect.pin_directory", Text{check_pin_directory},
          [](auto& c) -> auto& { return c.redirect.pin_directory; }),
      key(
          "imds.endpoint", EndpointUrl{}, [](auto& c) -> auto& { return c.imds.endpoint; }),
      key(
          "imds.connect_timeout", Seconds{}, [](auto& c) -> auto& { return c.imds.connect_timeout; }),
      key(
          "imds.request_timeout", Seconds{}, [](auto& c) -> auto& { return c.imds.request_timeout; }),
      key(
          "imds.max_rate", Number<std::uint32_t>{1, 1'000'000},
          [](auto& c) -> auto& { return c.imds.max_rate; }),
      key(
          "imds.max_in_flight", Number<std::uint32_t>{1, 10'000},
          [](auto& c) -> auto& { return c.imds.max_in_flight; }),
      key(
          "imds.deadline", Seconds{}, [](auto& c) -> auto& { return c.imds.deadline; }),
      key(
          "imds.boot_grace", Seconds{0}, [](auto& c) -> auto& { return c.imds.boot_grace; }),
      key(
          "imds.mark", Number<std::uint32_t>{0, 4'294'967'295}, [](auto& c) -> auto& { return c.imds.mark; }),
      key(
          "tokens.cache", Flag{}, [](auto& c) -> auto& { return c.tokens.cache; }),
      key(
          "tokens.expiry_margin", Seconds{0}, [](auto& c) -> auto& { return c.tokens.expiry_margin; }),
      key(
          "tokens.max_age", Seconds{1, 86'400}, [](auto& c) -> auto& { return c.tokens.max_age; }),
      key(
          "tokens.max_bytes", Number<std::uint32_t>{65'536, 1'073'741'824},
          [](auto& c) -> auto& { return c.tokens.max_bytes; }),
      key(
          "tokens.survive_restart", Flag{}, [](auto& c) -> auto& { return c.tokens.survive_restart; }),
      key(
          "tokens.prefetch", Flag{}, [](auto& c) -> auto& { return c.tokens.prefetch; }),
      key(
          "responder.user", Text{check_user}, [](auto& c) -> auto& { return c.responder.user; }),
      key(
          "responder.max_connections", Number<std::uint32_t>{1, 1'000'000},
          [](auto& c) -> auto& { return c.responder.max_connections; }),
      key(
          "responder.request_timeout", Seconds{},
          [](auto& c) -> auto& { return c.responder.request_timeout; }),
      key(
          "responder.idle_timeout", Seconds{}, [](auto& c) -> auto& { return c.responder.idle_timeout; }),
      key(
          "responder.drain_timeout", Seconds{}, [](auto& c) -> auto& { return c.responder.drain_timeout; }),
      key(
          "admin.socket", Text{check_socket_path}, [](auto& c) -> auto& { return c.admin.socket; }),
      key(
          "policy.mode", Choice(kPolicyModes), [](auto& c) -> auto& { return c.policy.mode; }),
      key(
          "policy.default", Choice(kPolicyDefaults), [](auto& c) -> auto& { return c.policy.default_; }),
      key(
          "identity.default", IdentityName{}, [](auto& c) -> auto& { return c.identity.default_; }),
      key(
          "audit.file", Text{check_optional_file}, [](auto& c) -> auto& { return c.audit.file; }),
      key(
          "audit.format", Choice(kAuditFormats), [](auto& c) -> auto& { return c.audit.format; }),
      key(
          "audit.max_rate", Number<std::uint32_t>{1, 1'000'000},
          [](auto& c) -> auto& { return c.audit.max_rate; }),
      key(
          "callers.state_file", Text{check_optional_file},
          [](auto& c) -> auto& { return c.callers.state_file; }),
      key(
          "callers.cgroup", Text{check_optional_cgroup}, [](auto& c) -> auto& { return c.callers.cgroup; }),
      key(
          "metrics.port", Number<std::uint16_t>{0, 65535}, [](auto& c) -> auto& { return c.metrics.port; }),
      key(
          "retire.quiet_days", Number<std::uint32_t>{1, 3650},
          [](auto& c) -> auto& { return c.retire.quiet_days; }),
      key(
          "waagent.root", Text{check_directory}, [](auto& c) -> auto& { return c.waagent.root; }),
      key(
          "waagent.state_directory", Text{check_directory},
          [](auto& c) -> auto& { return c.waagent.state_directory; }),
      key(
          "log.level", Choice(kLogLevels), [](auto& c) -> auto& { return c.log.level; }),
      key(
          "log.format", Choice(kLogFormats), [](auto& c) -> auto& { return c.log.format; }),
  };
}

}  // namespace

std::span<const Key> keys() {
  static const std::vector<Key> all = make_keys();
  return all;
}

const Key* find_key(std::string_view name) {
  const auto found = std::ranges::find(keys(), name, &Key::name);
  return found == keys().end() ? nullptr : &*found;
}

std::vector<std::string_view> tables() {
  std::vector<std::string_view> names;
  for (const Key& known : keys()) {
    const std::string_view table = split(known.name).table;
    if (!table.empty() && std::ranges::find(names, table) == names.end()) {
      names.push_back(table);
    }
  }
  return names;
}

KeyName split(std::string_view name) {
  const auto dot = name.find('.');
  if (dot == std::string_view::npos) {
    return {"", name};
  }
  return {name.substr(0, dot), name.substr(dot + 1)};
}

}  // namespace msi2imds::config
