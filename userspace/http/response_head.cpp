// SPDX-License-Identifier: MIT
#include "http/response_head.hpp"

#include <boost/beast/http/status.hpp>
#include <ostream>  // which status.hpp needs and does not include
#include <string_view>

namespace msi2imds::http {
namespace {

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

// Written by hand: a Beast serializer costs more than all the rest of an answer from the cache.
void append_head(std::string& out, const Response& response, bool close, unsigned version) {
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(response.status));
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(reason.data(), reason.size()).append("\r\n");
  append_header(out, "Content-Type", response.content_type);
  append_header(out, "Content-Length", std::to_string(response.body.size()));
  append_header(out, "Cache-Control", "no-store");
  for (const Header& header : response.headers) {
    append_header(out, header.name, header.value);
  }
  if (close) {
    append_header(out, "Connection", "close");
  } else if (version < 11) {
    append_header(out, "Connection", "keep-alive");
  }
  out.append("\r\n");
}

}  // namespace msi2imds::http
