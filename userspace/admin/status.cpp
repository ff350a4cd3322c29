// SPDX-License-Identifier: MIT
#include "admin/status.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

namespace msi2imds::admin {

namespace json = boost::json;

namespace {

json::object confinement_to_json(const Status& status) {
  return {{"system_call_filter", status.has_call_filter},
          {"landlock", status.landlock},
          {"empty_root", status.has_empty_root},
          {"own_namespaces", json::value_from(status.own_namespaces)}};
}

void confinement_from_json(const json::object& object, Status& status) {
  status.has_call_filter = object.at("system_call_filter").as_bool();
  status.landlock = object.at("landlock").to_number<std::int32_t>();
  status.has_empty_root = object.at("empty_root").as_bool();
  status.own_namespaces = json::value_to<std::vector<std::string>>(object.at("own_namespaces"));
}

json::object requests_to_json(const std::map<std::uint16_t, std::uint64_t>& requests) {
  json::object object;
  for (const auto& [port, count] : requests) {
    object[std::to_string(port)] = count;
  }
  return object;
}

std::map<std::uint16_t, std::uint64_t> requests_from_json(const json::object& object) {
  std::map<std::uint16_t, std::uint64_t> requests;
  for (const auto& [port, count] : object) {
    requests[static_cast<std::uint16_t>(std::stoul(std::string(port)))] = count.to_number<std::uint64_t>();
  }
  return requests;
}

json::value to_value(const DirectImds& direct) {
  return {{"state", direct.state}, {"closed_by", direct.closed_by}, {"failure", direct.failure}};
}

DirectImds direct_imds_of(const json::object& object) {
  return {.state = json::value_to<std::string>(object.at("state")),
          .closed_by = json::value_to<std::string>(object.at("closed_by")),
          .failure = json::value_to<std::string>(object.at("failure"))};
}

}  // namespace

std::string to_json(const Status& status) {
  const json::object object = {
      {"version", status.version},
      {"backend", status.backend},
      {"redirecting", status.redirecting},
      {"redirect_failure", status.redirect_failure},
      {"observing", status.observing},
      {"covers_ipv6", status.covers_ipv6},
      {"remarks", json::value_from(status.remarks)},
      {"shortcomings", json::value_from(status.shortcomings)},
      {"cgroups", json::value_from(status.cgroups)},
      {"legacy_ports", json::value_from(status.legacy_ports)},
      {"container_networks", json::value_from(status.container_networks)},
      {"responder",
       {{"pid", status.responder_pid},
        {"uptime_seconds", status.uptime_seconds},
        {"connections", status.connections},
        {"accepted", status.accepted},
        {"requests", requests_to_json(status.requests)},
        {"confinement", confinement_to_json(status)}}},
      {"policy",
       {{"mode", status.policy_mode}, {"default", status.policy_default}, {"rules", status.policy_rules}}},
      {"identity", {{"default", status.default_identity}, {"rules", status.identity_rules}}},
      {"tokens",
       {{"cached", status.tokens_cached},
        {"from_cache", status.tokens_from_cache},
        {"joined", status.tokens_joined}}},
      {"imds",
       {{"endpoint", status.imds_endpoint},
        {"requests", status.imds_requests},
        {"failures", status.imds_failures},
        {"last_failure", status.imds_last_failure},
        {"direct", to_value(status.direct_imds)}}},
  };
  return json::serialize(object);
}

Result<Status> parse_status(std::string_view text) {
  try {
    const json::value value = json::parse({text.data(), text.size()});
    const json::object& object = value.as_object();
    const json::object& responder = object.at("responder").as_object();
    const json::object& tokens = object.at("tokens").as_object();
    const json::object& identity = object.at("identity").as_object();
    const json::object& imds = object.at("imds").as_object();
    Status status;
    status.version = json::value_to<std::string>(object.at("version"));
    status.backend = json::value_to<std::string>(object.at("backend"));
    status.redirecting = object.at("redirecting").as_bool();
    status.redirect_failure = json::value_to<std::string>(object.at("redirect_failure"));
    status.observing = object.at("observing").as_bool();
    status.covers_ipv6 = object.at("covers_ipv6").as_bool();
    status.remarks = json::value_to<std::vector<std::string>>(object.at("remarks"));
    if (const json::value* shortcomings = object.if_contains("shortcomings")) {  // not in an older version
      status.shortcomings = json::value_to<std::vector<std::string>>(*shortcomings);
    }
    status.cgroups = json::value_to<std::vector<std::string>>(object.at("cgroups"));
    if (const json::value* networks = object.if_contains("container_networks")) {  // not in an older version
      status.container_networks = json::value_to<std::vector<std::string>>(*networks);
    }
    status.legacy_ports = json::value_to<std::vector<std::uint16_t>>(object.at("legacy_ports"));
    status.responder_pid = responder.at("pid").to_number<std::int32_t>();
    status.uptime_seconds = responder.at("uptime_seconds").to_number<std::int64_t>();
    status.connections = responder.at("connections").to_number<std::uint64_t>();
    status.accepted = responder.at("accepted").to_number<std::uint64_t>();
    status.requests = requests_from_json(responder.at("requests").as_object());
    confinement_from_json(responder.at("confinement").as_object(), status);
    if (const json::value* policy = object.if_contains("policy")) {  // not in an older version
      status.policy_mode = json::value_to<std::string>(policy->at("mode"));
      status.policy_default = json::value_to<std::string>(policy->at("default"));
      status.policy_rules = policy->at("rules").to_number<std::uint64_t>();
    }
    status.default_identity = json::value_to<std::string>(identity.at("default"));
    status.identity_rules = identity.at("rules").to_number<std::uint64_t>();
    status.tokens_cached = tokens.at("cached").to_number<std::uint64_t>();
    status.tokens_from_cache = tokens.at("from_cache").to_number<std::uint64_t>();
    status.tokens_joined = tokens.at("joined").to_number<std::uint64_t>();
    status.imds_endpoint = json::value_to<std::string>(imds.at("endpoint"));
    status.imds_requests = imds.at("requests").to_number<std::uint64_t>();
    status.imds_failures = imds.at("failures").to_number<std::uint64_t>();
    status.imds_last_failure = json::value_to<std::string>(imds.at("last_failure"));
    status.direct_imds = direct_imds_of(imds.at("direct").as_object());
    return status;
  } catch (const std::exception&) {  // Boost.JSON's accessors throw
    return Error::from_errno(EPROTO, "read the status document");
  }
}

}  // namespace msi2imds::admin
