// SPDX-License-Identifier: MIT
#include "imds_emulator/spoil.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "imds_emulator/text.hpp"

namespace msi2imds::emulator {
namespace {

namespace json = boost::json;

constexpr std::array<const char*, 4> kNumbers{"expires_in", "expires_on", "ext_expires_in", "not_before"};

Reply html_page(unsigned status) {
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  const std::string title = std::to_string(status) + " " + std::string(reason.data(), reason.size());
  Reply reply;
  reply.status = status;
  reply.content_type = kHtmlType;
  reply.body = "<html>\r\n<head><title>" + title + "</title></head>\r\n<body><h1>" + title +
               "</h1></body>\r\n</html>\r\n";
  return reply;
}

bool is_selected(const Identity& identity, const Question& question, const Identities& identities) {
  if (question.selector_kind == SelectorKind::none) {
    return &identity == &identities.all().front();
  }
  return equal_ignoring_case(identity.client_id, question.selector) ||
         equal_ignoring_case(identity.object_id, question.selector) ||
         equal_ignoring_case(identity.msi_res_id, question.selector);
}

Reply with_status(const Fault& fault) {
  Reply reply = fault.html ? html_page(fault.status)
                           : refuse(fault.status, "emulated_fault",
                                    "The emulator was told to answer " + std::to_string(fault.status), "");
  if (has_no_body(fault.status)) {
    reply.body.clear();
  }
  if (fault.body) {
    reply.body = *fault.body;
  }
  if (fault.retry_after) {
    reply.headers.push_back({.name = "Retry-After", .value = std::to_string(*fault.retry_after)});
  }
  return reply;
}

void make_numbers(json::object& fields) {
  for (const char* name : kNumbers) {
    json::value& value = fields.at(name);
    const json::string text = value.get_string();
    std::int64_t number = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), number);  // we wrote it
    value = number;
  }
}

void make_expired(json::object& fields, std::chrono::sys_seconds now) {
  fields["expires_in"] = "0";
  fields["ext_expires_in"] = "0";
  fields["expires_on"] = std::to_string((now - std::chrono::hours(1)).time_since_epoch().count());
}

// A valid token still, so that a reader without a limit would believe it.
void pad_to(std::string& body, std::size_t bytes) {
  constexpr std::string_view kStart = R"(,"padding":")";
  constexpr std::string_view kEnd = R"("})";
  body.pop_back();
  body += kStart;
  if (body.size() + kEnd.size() < bytes) {
    body.append(bytes - body.size() - kEnd.size(), 'x');
  }
  body += kEnd;
}

void change_fields(Reply& reply, const Fault& fault, std::chrono::sys_seconds now) {
  json::value document = json::parse(reply.body);
  json::object& fields = document.as_object();
  if (fault.kind == FaultKind::integers) {
    make_numbers(fields);
  } else if (fault.kind == FaultKind::expired) {
    make_expired(fields, now);
  } else if (fault.kind == FaultKind::missing_field) {
    fields.erase(fault.field);
  } else {
    fields[fault.field] = fault.value;
  }
  reply.body = json::serialize(document);
}

void spoil_token(Reply& reply, const Fault& fault, std::chrono::sys_seconds now) {
  switch (fault.kind) {
    case FaultKind::oversized:
      pad_to(reply.body, fault.bytes);
      break;
    case FaultKind::wrong_content_type:
      reply.content_type = kHtmlType;
      break;
    case FaultKind::garbage_json:
      reply.body.back() = ']';
      break;
    case FaultKind::integers:
    case FaultKind::missing_field:
    case FaultKind::override_field:
    case FaultKind::expired:
      change_fields(reply, fault, now);
      break;
    default:
      break;
  }
}

}  // namespace

void mistake(Question& question, const Fault& fault, const Identities& identities) {
  if (fault.kind == FaultKind::wrong_resource) {
    question.resource = fault.resource;
  }
  if (fault.kind != FaultKind::wrong_client_id) {
    return;
  }
  const auto other =
      std::find_if(identities.all().begin(), identities.all().end(),
                   [&](const Identity& identity) { return !is_selected(identity, question, identities); });
  if (other != identities.all().end()) {
    question.selector_kind = SelectorKind::client_id;
    question.selector = other->client_id;
  }
}

void spoil(Reply& reply, const Fault& fault, std::chrono::sys_seconds now) {
  if (fault.kind == FaultKind::status) {
    reply = with_status(fault);
  } else if (fault.kind == FaultKind::html) {
    reply = html_page(fault.status);
  } else if (reply.status == 200) {
    spoil_token(reply, fault, now);
  }
}

}  // namespace msi2imds::emulator
