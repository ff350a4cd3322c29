// SPDX-License-Identifier: MIT
#include "responder/supervisor_link.hpp"

#include <cerrno>
#include <utility>

namespace msi2imds::responder {
namespace {

constexpr std::chrono::seconds kAnswerTime{5};

}  // namespace

SupervisorLink::SupervisorLink(asio::io_context& io, UniqueFd socket)
    : io_(io), channel_(io, std::move(socket)) {}

asio::awaitable<Result<control::Received>> SupervisorLink::ask(control::Kind question) {
  control::Message message;
  message.kind = question;
  return ask(message);
}

asio::awaitable<Result<control::Received>> SupervisorLink::ask(control::Message question) {
  Question pending(io_);
  pending.timer.expires_after(kAnswerTime);
  const std::uint32_t id = ++last_id_;
  question.id = id;
  const Result<void> sent = channel_.send(question);
  if (!sent) {
    co_return sent.error();
  }
  questions_.emplace(id, &pending);
  (void)co_await pending.timer.async_wait(kAsTuple);
  questions_.erase(id);
  if (!pending.answer) {
    co_return Error::from_errno(ETIMEDOUT, "wait for the supervisor's answer");
  }
  if (pending.answer->message.error != 0) {
    co_return Error::from_errno(pending.answer->message.error,
                                std::string(pending.answer->message.get_text()));
  }
  co_return std::move(*pending.answer);
}

Result<void> SupervisorLink::tell(const control::Message& message) {
  return channel_.send(message);
}

Result<void> SupervisorLink::tell(control::Kind kind) {
  control::Message message;
  message.kind = kind;
  return tell(message);
}

asio::awaitable<Result<control::Received>> SupervisorLink::receive() {
  while (true) {
    Result<control::Received> received = co_await channel_.receive();
    if (!received || received->message.id == 0) {
      co_return received;
    }
    const auto question = questions_.find(received->message.id);
    if (question != questions_.end()) {
      question->second->answer = std::move(*received);
      question->second->timer.cancel();
    }
  }
}

}  // namespace msi2imds::responder
