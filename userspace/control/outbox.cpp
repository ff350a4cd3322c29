// SPDX-License-Identifier: MIT
#include "control/outbox.hpp"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "base/message.hpp"

namespace msi2imds::control {

Result<void> Outbox::send(std::string bytes, int descriptor) {
  if (waiting_.empty()) {
    if (send_message(socket_.native_handle(), bytes, descriptor)) {
      return {};
    }
    if (errno != EAGAIN) {
      return lose(errno);
    }
  }
  return keep(std::move(bytes), descriptor);
}

Result<void> Outbox::keep(std::string bytes, int descriptor) {
  if (waiting_.size() >= kMostMessages || bytes_ + bytes.size() > kMostBytes) {
    return lose(EAGAIN);
  }
  Waiting message;
  message.bytes = std::move(bytes);
  if (descriptor >= 0) {
    if (descriptors_ >= kMostDescriptors) {
      return lose(EAGAIN);
    }
    message.descriptor.reset(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!message.descriptor) {
      return lose(errno);
    }
  }
  bytes_ += message.bytes.size();
  descriptors_ += message.descriptor ? 1 : 0;
  waiting_.push_back(std::move(message));
  wait_until_writable();
  return {};
}

// The socket may be gone when its handler runs, though the wait has ended well: then so is the outbox.
void Outbox::wait_until_writable() {
  if (std::exchange(is_watching_, true)) {
    return;
  }
  socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                     [weak = weak_from_this()](const boost::system::error_code& /*what sending will say*/) {
                       if (const auto outbox = weak.lock()) {
                         outbox->is_watching_ = false;
                         outbox->send_waiting();
                       }
                     });
}

void Outbox::send_waiting() {
  while (!waiting_.empty()) {
    const Waiting& first = waiting_.front();
    if (!send_message(socket_.native_handle(), first.bytes, first.descriptor.get())) {
      if (errno == EAGAIN) {
        wait_until_writable();
        return;
      }
      const int err = errno;
      drop();
      (void)lose(err);
      return;
    }
    bytes_ -= first.bytes.size();
    descriptors_ -= first.descriptor ? 1 : 0;
    waiting_.pop_front();
  }
  emptied_.cancel();
}

Error Outbox::lose(int err) {
  Error why = Error::from_errno(err, "send on the control channel");
  if (err != EPIPE && err != ECONNRESET) {
    if (const AtLoss at_loss = std::exchange(at_loss_, nullptr)) {
      at_loss(why);
    }
  }
  return why;
}

asio::awaitable<void> Outbox::flush() {
  const auto itself = shared_from_this();  // the channel may go meanwhile
  while (!waiting_.empty()) {
    (void)co_await emptied_.async_wait(kAsTuple);
  }
}

void Outbox::drop() {
  waiting_.clear();
  bytes_ = 0;
  descriptors_ = 0;
  emptied_.cancel();
}

}  // namespace msi2imds::control
