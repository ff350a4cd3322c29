// SPDX-License-Identifier: MIT
#include "http/client.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "http/answer_reader.hpp"

namespace msi2imds::http {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kAnswerChunk = 16UL * 1024;

// Until the socket is ready for `events`: an errno value, ETIMEDOUT when the deadline comes first.
int wait_for(const UniqueFd& socket, short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) {
      return ETIMEDOUT;
    }
    pollfd waiting{.fd = socket.get(), .events = events, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready > 0) {
      return 0;
    }
    if (ready < 0 && errno != EINTR) {
      return errno;
    }
  }
}

// A socket that is writable is connected, or has failed to.
int wait_until_connected(const UniqueFd& socket, Clock::time_point deadline) {
  if (const int failure = wait_for(socket, POLLOUT, deadline); failure != 0) {
    return failure;
  }
  int failure = 0;
  socklen_t size = sizeof failure;
  (void)::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
  return failure;
}

// Reading tells what went wrong, with the answer if there is any.
void send_all(const UniqueFd& socket, std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty() && wait_for(socket, POLLOUT, deadline) == 0) {
    const ssize_t sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
}

Result<Answer> read_answer(const UniqueFd& socket, Clock::time_point deadline, const AnswerLimits& limits) {
  AnswerReader reader(limits);
  std::string input(kAnswerChunk, '\0');
  while (!reader.is_done()) {
    if (const int failure = wait_for(socket, POLLIN, deadline); failure != 0) {
      return Error::from_errno(failure, "wait for an answer");
    }
    const ssize_t size = ::recv(socket.get(), input.data(), input.size(), MSG_DONTWAIT);
    if (size < 0 && errno != EAGAIN && errno != EINTR) {
      return Error::from_errno(errno, "wait for an answer");
    }
    if (size == 0) {
      reader.end();
    } else if (size > 0) {
      reader.feed(std::string_view(input).substr(0, static_cast<std::size_t>(size)));
    }
  }
  return reader.take();
}

}  // namespace

std::string metadata_request(const std::string& host, const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: " + host +
         "\r\nUser-Agent: msi2imds\r\nMetadata: true\r\n\r\n";
}

Result<Answer> exchange(const UniqueFd& socket, std::string_view request, std::chrono::milliseconds timeout,
                        const AnswerLimits& limits) {
  if (const int failure = wait_until_connected(socket, Clock::now() + timeout); failure != 0) {
    return Error::from_errno(failure, "connect");
  }
  const Clock::time_point deadline = Clock::now() + timeout;
  send_all(socket, request, deadline);
  return read_answer(socket, deadline, limits);
}

Result<Answer> ask(UniqueFd socket, const Question& question) {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  return exchange(socket, metadata_request(question.host, question.target), question.timeout);
}

}  // namespace msi2imds::http
