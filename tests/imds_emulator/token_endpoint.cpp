// SPDX-License-Identifier: MIT
#include "imds_emulator/token_endpoint.hpp"

#include <string>
#include <string_view>

#include "imds_emulator/text.hpp"

namespace msi2imds::emulator {
namespace {

bool is_known_resource(std::string_view resource) {
  return (is_guid(resource) || is_absolute_uri(resource)) &&
         lower_case(resource).find("invalid") == std::string::npos;
}

Reply refuse_resource(const std::string& resource) {
  return refuse(400, "invalid_resource",
                "AADSTS50001: The application named " + resource + " was not found in the tenant named " +
                    std::string(kTenantId) + ". Trace ID: " + derive_guid(resource),
                "unknown_resource");
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(R"(,")").append(name).append(R"(":")").append(value).append(R"(")");
}

// Nothing in it needs escaping: the resource is a URI or a GUID, a client id is a GUID.
std::string render(const IssuedToken& token, const Identity& identity, std::string_view resource,
                   std::chrono::sys_seconds now) {
  constexpr std::size_t kOtherFields = 512;
  const std::string expires_in = std::to_string((token.expires_on - now).count());
  std::string out;
  out.reserve(token.access_token.size() + resource.size() + kOtherFields);
  out.append(R"({"access_token":")").append(token.access_token).append(R"(")");
  append_field(out, "client_id", identity.client_id);
  append_field(out, "expires_in", expires_in);
  append_field(out, "expires_on", std::to_string(token.expires_on.time_since_epoch().count()));
  append_field(out, "ext_expires_in", expires_in);
  append_field(out, "not_before", std::to_string(token.not_before.time_since_epoch().count()));
  append_field(out, "resource", resource);
  append_field(out, "token_type", "Bearer");
  out += '}';
  return out;
}

}  // namespace

Reply TokenEndpoint::answer(const Question& question, std::chrono::sys_seconds now) {
  if (question.refusal) {
    return *question.refusal;
  }
  const auto selection = identities_.select(question.selector_kind, question.selector);
  if (selection.identity == nullptr) {
    return refuse(400, "invalid_request", selection.problem, "identity");
  }
  if (!is_known_resource(question.resource)) {
    return refuse_resource(question.resource);
  }
  const IssuedToken& token =
      tokens_.token_for(*selection.identity, question.resource, question.bypass_cache, now);
  Reply reply;
  reply.body = render(token, *selection.identity, question.resource, now);
  return reply;
}

}  // namespace msi2imds::emulator
