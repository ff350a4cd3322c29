// SPDX-License-Identifier: MIT
#include "migration/imds.hpp"

#include <boost/json/parse.hpp>
#include <cerrno>
#include <utility>

#include "imds/reply.hpp"
#include "imds/upstream_socket.hpp"
#include "migration/clock.hpp"

namespace msi2imds::migration {
namespace {

namespace json = boost::json;

constexpr const char* kInstanceTarget = "/metadata/instance?api-version=2021-02-01";

Result<http::Answer> ask(const config::Imds& imds, const std::string& target) {
  const Result<SocketAddress> address = SocketAddress::parse(imds.endpoint.address, imds.endpoint.port);
  if (!address) {
    return address.error();
  }
  Result<UniqueFd> socket = imds::begin_connect(*address, imds.mark);
  if (!socket) {
    return socket.error();
  }
  http::Question question{.host = imds.endpoint.address, .target = target, .timeout = imds.request_timeout};
  Result<http::Answer> answer = http::ask(std::move(*socket), question);
  return answer ? std::move(answer) : answer.error().within("ask IMDS at " + imds.endpoint.text);
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

Result<Instance> read_instance(const http::Answer& answer) {
  boost::system::error_code ec;
  const json::value document = json::parse(answer.body, ec);
  const json::object* root = ec ? nullptr : document.if_object();
  const json::value* found = root != nullptr ? root->if_contains("compute") : nullptr;
  const json::object* compute = found != nullptr ? found->if_object() : nullptr;
  if (answer.status != 200 || compute == nullptr) {
    return Error::from_errno(EPROTO,
                             "ask IMDS for this machine's names: status " + std::to_string(answer.status));
  }
  return Instance{.subscription = text_of(*compute, "subscriptionId"),
                  .resource_group = text_of(*compute, "resourceGroupName"),
                  .name = text_of(*compute, "name"),
                  .scale_set = text_of(*compute, "vmScaleSetName")};
}

struct TimedAnswer {
  Result<http::Answer> answer;
  Asked when;
};

TimedAnswer ask_timed(const config::Imds& imds, const std::string& target) {
  const auto asked = std::chrono::system_clock::now();
  Result<http::Answer> answer = ask(imds, target);
  return {.answer = std::move(answer),
          .when = {.asked = asked, .answered = std::chrono::system_clock::now()}};
}

std::string usual_token_target() {
  token::TokenRequest request;
  request.resource = kUsualResource;
  return imds::token_target(request);
}

}  // namespace

Result<ReachedImds> reach_imds(const config::Imds& imds) {
  const TimedAnswer instance = ask_timed(imds, kInstanceTarget);
  if (instance.answer) {
    return ReachedImds{.clock_ahead = clock_ahead(*instance.answer, instance.when),
                       .instance = read_instance(*instance.answer)};
  }
  const TimedAnswer token = ask_timed(imds, usual_token_target());
  if (!token.answer) {
    return instance.answer.error();
  }
  return ReachedImds{.clock_ahead = clock_ahead(*token.answer, token.when),
                     .instance = instance.answer.error()};
}

Result<Instance> ask_instance(const config::Imds& imds) {
  const Result<http::Answer> answer = ask(imds, kInstanceTarget);
  return answer ? read_instance(*answer) : answer.error();
}

token::FetchResult ask_token(const config::Imds& imds, const token::TokenRequest& request) {
  Result<http::Answer> answer = ask(imds, imds::token_target(request));
  if (!answer) {
    return token::Failure{.error = answer.error(), .remedy = token::Remedy::retry_later, .retry_after = {}};
  }
  return read_token(std::move(*answer));
}

token::FetchResult read_token(http::Answer answer) {
  const std::string* content_type = answer.header("Content-Type");
  return imds::interpret({.status = answer.status,
                          .content_type = content_type != nullptr ? *content_type : std::string(),
                          .retry_after = {},
                          .body = std::move(answer.body)});
}

}  // namespace msi2imds::migration
