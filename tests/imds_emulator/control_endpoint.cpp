// SPDX-License-Identifier: MIT
#include "imds_emulator/control_endpoint.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cctype>
#include <optional>

#include "imds_emulator/fault_parser.hpp"
#include "imds_emulator/text.hpp"

namespace msi2imds::emulator {
namespace {

namespace json = boost::json;

Reply json_reply(const json::value& document) {
  Reply reply;
  reply.body = json::serialize(document);
  return reply;
}

Reply stats(Emulator& emulator, const Request& /*request*/) {
  json::object document = emulator.statistics.to_json();
  document["tokens_issued"] = emulator.token_endpoint.tokens().issued();
  return json_reply(std::move(document));
}

Reply requests(Emulator& emulator, const Request& /*request*/) {
  return json_reply(emulator.log.to_json());
}

Reply identities(Emulator& emulator, const Request& /*request*/) {
  json::array list;
  for (const Identity& identity : emulator.token_endpoint.identities().all()) {
    json::object item;
    item["client_id"] = identity.client_id;
    item["object_id"] = identity.object_id;
    item["msi_res_id"] = valid_utf8(identity.msi_res_id);
    list.push_back(std::move(item));
  }
  return json_reply(std::move(list));
}

// {"name": "..."}
std::optional<std::string> name_in(const Request& request) {
  boost::system::error_code ec;
  const json::value document = json::parse(request.body, ec);
  const json::object* object = ec ? nullptr : document.if_object();
  const json::value* name = object != nullptr && object->size() == 1 ? object->if_contains("name") : nullptr;
  const json::string* text = name != nullptr ? name->if_string() : nullptr;
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
  };
  return text != nullptr && !text->empty() && std::all_of(text->begin(), text->end(), is_plain)
             ? std::optional(std::string(*text))
             : std::nullopt;
}

Reply refuse_name() {
  return refuse(400, "invalid_identity",
                R"(Expected {"name": "..."} with letters, digits, hyphens and underscores)", "");
}

Reply assign_identity(Emulator& emulator, const Request& request) {
  const auto name = name_in(request);
  if (!name) {
    return refuse_name();
  }
  if (emulator.token_endpoint.identities().assign(*name) == nullptr) {
    return refuse(409, "identity_exists", "The VM has that identity already", "");
  }
  return identities(emulator, request);
}

Reply unassign_identity(Emulator& emulator, const Request& request) {
  const auto name = name_in(request);
  if (!name) {
    return refuse_name();
  }
  if (!emulator.token_endpoint.identities().unassign(*name)) {
    return refuse(404, "no_such_identity", "The VM has no user-assigned identity of that name", "");
  }
  return identities(emulator, request);
}

Reply reset(Emulator& emulator, const Request& /*request*/) {
  emulator.statistics.reset();
  emulator.log.clear();
  return json_reply(json::object());
}

Reply show_faults(Emulator& emulator, const Request& /*request*/) {
  return json_reply(emulator.faults.to_json(std::chrono::steady_clock::now()));
}

Reply set_faults(Emulator& emulator, const Request& request) {
  auto faults = parse_faults(request.body, std::chrono::steady_clock::now());
  if (!faults) {
    return refuse(400, "invalid_faults", faults.error().message(), "");
  }
  emulator.faults.append(std::move(*faults));
  return show_faults(emulator, request);
}

Reply clear_faults(Emulator& emulator, const Request& request) {
  emulator.faults.clear();
  return show_faults(emulator, request);
}

Reply show_clock(Emulator& emulator, const Request& /*request*/) {
  json::object document;
  document["skew_seconds"] = emulator.clock_skew.count();
  return json_reply(std::move(document));
}

Reply set_clock(Emulator& emulator, const Request& request) {
  json::error_code ec;
  const json::value document = json::parse(request.body, ec);
  const json::object* object = ec ? nullptr : document.if_object();
  const json::value* skew =
      object != nullptr && object->size() == 1 ? object->if_contains("skew_seconds") : nullptr;
  const std::int64_t* seconds = skew != nullptr ? skew->if_int64() : nullptr;
  if (seconds == nullptr || *seconds < -kMaxClockSkew || *seconds > kMaxClockSkew) {
    return refuse(400, "invalid_clock", R"(expected {"skew_seconds": WHOLE_NUMBER}, at most ten years)", "");
  }
  emulator.clock_skew = std::chrono::seconds(*seconds);
  return show_clock(emulator, request);
}

struct Route {
  std::string_view method;
  std::string_view path;
  Reply (*answer)(Emulator&, const Request&);
};

constexpr Route kRoutes[] = {
    {"GET", "/emulator/stats", stats},
    {"GET", "/emulator/requests", requests},
    {"GET", "/emulator/identities", identities},
    {"POST", "/emulator/identities", assign_identity},
    {"DELETE", "/emulator/identities", unassign_identity},
    {"POST", "/emulator/reset", reset},
    {"GET", "/emulator/faults", show_faults},
    {"POST", "/emulator/faults", set_faults},
    {"DELETE", "/emulator/faults", clear_faults},
    {"GET", "/emulator/clock", show_clock},
    {"POST", "/emulator/clock", set_clock},
};

}  // namespace

Reply answer_control(Emulator& emulator, const Request& request) {
  std::string allowed;
  for (const Route& route : kRoutes) {
    if (route.path != request.path()) {
      continue;
    }
    if (route.method == request.method) {
      return route.answer(emulator, request);
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  if (allowed.empty()) {
    return refuse(404, "not_found", "The emulator has no such control", "");
  }
  Reply reply = refuse(405, "method_not_allowed", "Allowed here: " + allowed, "");
  reply.headers.push_back({.name = "Allow", .value = allowed});
  return reply;
}

}  // namespace msi2imds::emulator
