// SPDX-License-Identifier: MIT
#include "imds_emulator/reply.hpp"

#include <array>
#include <boost/beast/http/status.hpp>
#include <ctime>
#include <ostream>  // Boost 1.81 needs it and does not include it

#include "base/json.hpp"

namespace msi2imds::emulator {
namespace {

void append_date(std::string& out, std::chrono::sys_seconds now) {
  const std::time_t time = now.time_since_epoch().count();
  std::tm fields{};
  std::array<char, 64> line{};
  (void)::gmtime_r(&time, &fields);
  out.append(line.data(),
             std::strftime(line.data(), line.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &fields));
}

}  // namespace

Reply refuse(unsigned status, std::string_view error, std::string_view description,
             std::string_view problem) {
  Reply reply;
  reply.status = status;
  reply.body =
      R"({"error":)" + json_string(error) + R"(,"error_description":)" + json_string(description) + "}";
  reply.problem = problem;
  return reply;
}

Reply refuse_api_version(std::string_view problem) {
  Reply reply;
  reply.status = 400;
  reply.body =
      R"({"error":"Bad request. api-version was not specified in the request. For more information refer to )"
      R"(aka.ms/azureimds","newest-versions":["2021-02-01","2020-12-01","2020-10-01"]})";
  reply.problem = problem;
  return reply;
}

bool has_no_body(unsigned status) {
  return status == 204 || status == 304;
}

void append_interim(std::string& out, unsigned status) {
  const char* reason = status == 100   ? "Continue"
                       : status == 101 ? "Switching Protocols"
                       : status == 103 ? "Early Hints"
                                       : "Processing";
  out.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason).append("\r\n\r\n");
}

void append_head(std::string& out, const Reply& reply, std::chrono::sys_seconds now, bool keep_alive) {
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(reply.status));
  out.append("HTTP/1.1 ").append(std::to_string(reply.status)).append(" ");
  out.append(reason.data(), reason.size());
  if (!has_no_body(reply.status) || !reply.body.empty()) {
    out.append("\r\nContent-Type: ").append(reply.content_type);
    out.append("\r\nContent-Length: ").append(std::to_string(reply.body.size()));
  }
  out.append("\r\nServer: IMDS-emulator\r\n");
  append_date(out, now);
  for (const Header& header : reply.headers) {
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  out.append(keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

}  // namespace msi2imds::emulator
