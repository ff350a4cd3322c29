// SPDX-License-Identifier: MIT
// What the responder may ask the supervisor.
#include <cerrno>
#include <span>
#include <utility>

#include "imds/upstream_socket.hpp"
#include "supervisor/supervisor.hpp"

namespace msi2imds::supervisor {

void Supervisor::answer(control::Channel& channel, const control::Message& question) {
  control::Message message;
  UniqueFd descriptor;
  if (question.kind == control::Kind::open_upstream) {
    message.kind = control::Kind::upstream;
    const auto address = SocketAddress::parse(config_.imds.endpoint.address, config_.imds.endpoint.port);
    Result<UniqueFd> socket =
        address ? imds::begin_connect(*address, config_.imds.mark) : Result<UniqueFd>(address.error());
    if (socket) {
      descriptor = std::move(*socket);
    } else {
      message.error = socket.error().code().value();
      message.set_text("reach " + config_.imds.endpoint.text);
    }
  } else if (question.kind == control::Kind::ask_identity) {
    message.kind = control::Kind::identity;
    const std::string* identity = callers_.identity(question.number);
    message.error = identity == nullptr ? ENOENT : 0;
    message.set_text(identity == nullptr ? "remember the caller" : *identity);
  } else if (question.kind == control::Kind::open_callers_state) {
    message = open_callers_state(descriptor);
  } else {
    message = describe_redirection();
  }
  message.id = question.id;
  (void)channel.send(message, descriptor.get());  // a responder that does not read is ended by watch()
}

// Apart from everything else: looking at processes takes its time.
asio::awaitable<void> Supervisor::answer_about_callers(control::Message question) {
  auto questions = control::get_records<control::CallerQuestion>(question);
  if (!questions || questions->size() > control::kMostCallers) {
    co_return;
  }
  CallerDirectory::DialledBy dialled_by = [this](std::uint64_t cookie) {
    return interception_.redirection ? interception_.redirection->dialled_by(cookie) : std::nullopt;
  };
  const std::uint64_t asked_by = responders_started_;
  const std::vector<control::CallerAnswer> answers =
      co_await callers_.answer(std::move(*questions), std::move(dialled_by));
  if (!responder_ || asked_by != responders_started_) {
    co_return;  // the next responder asks for itself
  }
  control::Message message;
  message.kind = control::Kind::callers;
  message.id = question.id;
  control::set_records(message, std::span<const control::CallerAnswer>(answers));
  (void)responder_->channel().send(message);  // a responder that does not read is ended by watch()
}

}  // namespace msi2imds::supervisor
