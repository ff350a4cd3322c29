// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <string>
#include <string_view>

#include "imds_emulator/reply.hpp"
#include "imds_emulator/request.hpp"

namespace msi2imds::emulator {

inline constexpr std::string_view kGoodQuery =
    "api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";

inline Request token_request(std::string_view query = kGoodQuery) {
  Request request;
  request.method = "GET";
  request.target = std::string(kTokenPath) + "?" + std::string(query);
  request.headers = {{.name = "Host", .value = "169.254.169.254"}, {.name = "metadata", .value = "True"}};
  return request;
}

inline Request token_request_for(std::string_view selector) {
  return token_request(std::string(kGoodQuery) + "&" + std::string(selector));
}

// Of a reply whose body is JSON.
inline boost::json::object fields_of(const Reply& reply) {
  return boost::json::parse(reply.body).as_object();
}

}  // namespace msi2imds::emulator
