// SPDX-License-Identifier: MIT
// bare_loop PORT BYTES: answers whatever it is asked on 127.0.0.1:PORT with the same BYTES, from one thread
// and one epoll. The least that a request over a new connection can cost; tests/bench/peers compares real
// servers with it.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace msi2imds::bench {
namespace {

constexpr int kBacklog = 4096;

UniqueFd listen_on(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    std::perror("bare_loop");
    std::exit(1);
  }
  return fd;
}

class Loop {
 public:
  Loop(UniqueFd listener, std::size_t size)
      : listener_(std::move(listener)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(size) +
        "\r\n";
    keeping_answer_ = head + "\r\n" + std::string(size, 'x');
    last_answer_ = head + "Connection: close\r\n\r\n" + std::string(size, 'x');
    watch(listener_.get());
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 64> events{};
    for (;;) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        if (events[static_cast<std::size_t>(i)].data.fd == listener_.get()) {
          accept_all();
        } else {
          serve(events[static_cast<std::size_t>(i)].data.fd);
        }
      }
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    int fd = -1;
    while ((fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      watch(fd);
    }
  }

  // A request of a benchmark comes in one piece.
  void serve(int fd) {
    std::array<char, 4096> bytes{};
    const ssize_t size = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (size < 0 && errno == EAGAIN) {
      return;
    }
    const std::string_view request(bytes.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    const bool is_last = request.find("Connection: close") != std::string_view::npos;
    const std::string& answer = is_last ? last_answer_ : keeping_answer_;
    if (request.empty() || ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0 || is_last) {
      ::close(fd);
    }
  }

  UniqueFd listener_;
  UniqueFd epoll_;
  std::string keeping_answer_;
  std::string last_answer_;
};

}  // namespace
}  // namespace msi2imds::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: bare_loop PORT BYTES\n");
    return 2;
  }
  using namespace msi2imds::bench;
  Loop(listen_on(static_cast<std::uint16_t>(std::atoi(argv[1]))), std::strtoull(argv[2], nullptr, 10)).run();
}
