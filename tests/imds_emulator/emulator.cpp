// SPDX-License-Identifier: MIT
#include "imds_emulator/emulator.hpp"

#include "imds_emulator/control_endpoint.hpp"
#include "imds_emulator/instance_endpoint.hpp"

namespace msi2imds::emulator {
namespace {

// All between the method and the version, raw spaces and all.
Request read_first_line(std::string_view line) {
  Request request;
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(" HTTP/");
  request.method = line.substr(0, first);
  if (first != std::string_view::npos) {
    const std::size_t end = last == std::string_view::npos || last <= first ? line.size() : last;
    request.target = line.substr(first + 1, end - first - 1);
  }
  return request;
}

}  // namespace

Reply answer_other(Emulator& emulator, const Request& request) {
  if (request.path().starts_with(kControlPrefix)) {
    return answer_control(emulator, request);
  }
  if (request.path() == kInstancePath) {
    emulator.statistics.count_instance_request();
    return answer_instance(request, emulator.scale_set);
  }
  emulator.statistics.count_other_request();
  return refuse(404, "not_found", "There is nothing at this path", "");
}

Reply answer_malformed(Emulator& emulator, std::string_view first_line, std::string_view reason,
                       std::uint16_t source_port) {
  Reply reply = refuse(400, "bad_request", reason, "malformed");
  emulator.statistics.count_malformed();
  const Request request = read_first_line(first_line);
  if (request.path() == kTokenPath) {
    emulator.statistics.count_token_request(std::chrono::steady_clock::now());
    emulator.statistics.count_answer(reply.status, reply.problem);
    const auto id = emulator.log.add(request, Question(), source_port, std::chrono::system_clock::now());
    emulator.log.set_status(id, reply.status);
  }
  return reply;
}

}  // namespace msi2imds::emulator
