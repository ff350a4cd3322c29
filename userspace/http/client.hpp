// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "http/answer_reader.hpp"
#include "http/message.hpp"

// The client's side, for commands that ask one question.
namespace msi2imds::http {

struct Question {
  std::string host;  // for the Host header
  std::string target;
  std::chrono::milliseconds timeout{10000};  // to connect, and again until the answer is here
};

// The bytes of a GET with "Metadata: true", as both IMDS and the extension want it.
[[nodiscard]] std::string metadata_request(const std::string& host, const std::string& target);

// Sends the bytes of one request over a socket that is connected, or has begun to connect, and reads the
// answer. `timeout` is for connecting, and again until the answer is here. Blocks.
[[nodiscard]] Result<Answer> exchange(const UniqueFd& socket, std::string_view request,
                                      std::chrono::milliseconds timeout, const AnswerLimits& limits = {});

// Asks with metadata_request() over a TCP socket, which is closed with a reset, so that its address can be
// used again at once. Blocks.
[[nodiscard]] Result<Answer> ask(UniqueFd socket, const Question& question);

}  // namespace msi2imds::http
