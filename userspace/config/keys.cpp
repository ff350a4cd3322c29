// SPDX-License-Identifier: MIT
#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "config/rule_values.hpp"
#include "config/selector.hpp"

namespace msi2imds::config {
namespace {

// Ties a name to the kind of value it takes and to the field that holds it.
template <typename Kind, typename Part, typename Field>
Key key(std::string_view name, Kind kind, Part Config::*part, Field Part::*field) {
  auto read = [=](const Value& value, Config& config, const Complain& complain) {
    if (auto wanted = kind.read(value, complain)) {
      config.*part.*field = std::move(*wanted);
    }
  };
  auto write = [=](const Config& config) { return kind.write(config.*part.*field); };
  return {name, std::move(read), std::move(write)};
}

constexpr Number<std::uint16_t> kPort{1, 65535};

// How connections may reach us: the names of redirect's backends.
constexpr std::array<std::string_view, 6> kBackends = {kAutomatic, "sk_lookup", "cgroup_connect",
                                                       "nftables", "iptables",  "listen"};
constexpr std::array kPolicyModes = {
    Option<PolicyMode>{"audit", PolicyMode::audit},
    Option<PolicyMode>{"enforce", PolicyMode::enforce},
};
constexpr std::array kPolicyDefaults = {
    Option<PolicyDefault>{"deny", PolicyDefault::deny},
    Option<PolicyDefault>{"allow", PolicyDefault::allow},
};
constexpr std::array kAuditFormats = {
    Option<AuditFormat>{"text", AuditFormat::text},
    Option<AuditFormat>{"json", AuditFormat::json},
};
constexpr std::array kLogLevels = {
    Option<log::Level>{"debug", log::Level::debug},
    Option<log::Level>{"info", log::Level::info},
    Option<log::Level>{"warn", log::Level::warn},
    Option<log::Level>{"error", log::Level::error},
};
constexpr std::array kLogFormats = {
    Option<log::Format>{"text", log::Format::text},
    Option<log::Format>{"json", log::Format::json},
};
// An array of ports, or "auto".
Key ports_key() {
  constexpr Ports kPortList{kMaxLegacyPorts};
  auto read = [kPortList](const Value& value, Config& config, const Complain& complain) {
    const auto* word = std::get_if<std::string>(&value.content);
    config.legacy.find_ports = word != nullptr && *word == kAutomatic;
    if (config.legacy.find_ports) {
      config.legacy.ports = Legacy().ports;
    } else if (word != nullptr) {
      complain(value.position, "\"" + *word + "\" is not known; expected \"auto\" or an array of ports");
    } else if (auto ports = kPortList.read(value, complain)) {
      config.legacy.ports = std::move(*ports);
    }
  };
  auto write = [kPortList](const Config& config) {
    return config.legacy.find_ports ? Value{std::string(kAutomatic)} : kPortList.write(config.legacy.ports);
  };
  return {"legacy.ports", std::move(read), std::move(write)};
}

std::vector<Key> make_keys() {
  return {
      ports_key(),
      key("legacy.hosts", Texts{check_host}, &Config::legacy, &Legacy::hosts),
      key("legacy.require_metadata_header", Flag{}, &Config::legacy, &Legacy::require_metadata_header),
      key("legacy.container_networks", Texts{check_container_name}, &Config::legacy,
          &Legacy::container_networks),
      key("redirect.backend", Word{kBackends}, &Config::redirect, &Redirect::backend),
      key("redirect.listen_port", kPort, &Config::redirect, &Redirect::listen_port),
      key("redirect.cgroups", Texts{check_cgroup}, &Config::redirect, &Redirect::cgroups),
      key("redirect.mark", Number<std::uint32_t>{1, 4'294'967'295}, &Config::redirect, &Redirect::mark),
      key("redirect.pin_directory", Text{check_pin_directory}, &Config::redirect, &Redirect::pin_directory),
      key("imds.endpoint", EndpointUrl{}, &Config::imds, &Imds::endpoint),
      key("imds.connect_timeout", Seconds{}, &Config::imds, &Imds::connect_timeout),
      key("imds.request_timeout", Seconds{}, &Config::imds, &Imds::request_timeout),
      key("imds.max_rate", Number<std::uint32_t>{1, 1'000'000}, &Config::imds, &Imds::max_rate),
      key("imds.max_in_flight", Number<std::uint32_t>{1, 10'000}, &Config::imds, &Imds::max_in_flight),
      key("imds.deadline", Seconds{}, &Config::imds, &Imds::deadline),
      key("imds.boot_grace", Seconds{0}, &Config::imds, &Imds::boot_grace),
      key("imds.mark", Number<std::uint32_t>{0, 4'294'967'295}, &Config::imds, &Imds::mark),
      key("tokens.cache", Flag{}, &Config::tokens, &Tokens::cache),
      key("tokens.expiry_margin", Seconds{0}, &Config::tokens, &Tokens::expiry_margin),
      key("tokens.max_age", Seconds{1, 86'400}, &Config::tokens, &Tokens::max_age),
      key("tokens.max_bytes", Number<std::uint32_t>{65'536, 1'073'741'824}, &Config::tokens,
          &Tokens::max_bytes),
      key("tokens.survive_restart", Flag{}, &Config::tokens, &Tokens::survive_restart),
      key("tokens.prefetch", Flag{}, &Config::tokens, &Tokens::prefetch),
      key("responder.user", Text{check_user}, &Config::responder, &Responder::user),
      key("responder.max_connections", Number<std::uint32_t>{1, 1'000'000}, &Config::responder,
          &Responder::max_connections),
      key("responder.request_timeout", Seconds{}, &Config::responder, &Responder::request_timeout),
      key("responder.idle_timeout", Seconds{}, &Config::responder, &Responder::idle_timeout),
      key("responder.drain_timeout", Seconds{}, &Config::responder, &Responder::drain_timeout),
      key("admin.socket", Text{check_socket_path}, &Config::admin, &Admin::socket),
      key("policy.mode", Choice(kPolicyModes), &Config::policy, &Policy::mode),
      key("policy.default", Choice(kPolicyDefaults), &Config::policy, &Policy::default_),
      key("policy.close_imds", Flag{}, &Config::policy, &Policy::close_imds),
      key("identity.default", IdentityName{}, &Config::identity, &Identity::default_),
      key("audit.file", Text{check_optional_file}, &Config::audit, &Audit::file),
      key("audit.format", Choice(kAuditFormats), &Config::audit, &Audit::format),
      key("audit.max_rate", Number<std::uint32_t>{1, 1'000'000}, &Config::audit, &Audit::max_rate),
      key("callers.state_file", Text{check_optional_file}, &Config::callers, &Callers::state_file),
      key("callers.cgroup", Text{check_optional_cgroup}, &Config::callers, &Callers::cgroup),
      key("metrics.port", Number<std::uint16_t>{0, 65535}, &Config::metrics, &Metrics::port),
      key("retire.quiet_days", Number<std::uint32_t>{1, 3650}, &Config::retire, &Retire::quiet_days),
      key("waagent.root", Text{check_directory}, &Config::waagent, &Waagent::root),
      key("waagent.state_directory", Text{check_directory}, &Config::waagent, &Waagent::state_directory),
      key("log.level", Choice(kLogLevels), &Config::log, &Log::level),
      key("log.format", Choice(kLogFormats), &Config::log, &Log::format),
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
