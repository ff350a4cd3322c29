// SPDX-License-Identifier: MIT
#include "resolver/proc_reader.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace msi2imds::resolver {
namespace {

constexpr int kMostPatience = 10;  // further deadlines, while it is runnable and gets no processor
constexpr std::size_t kMostBytes = sizeof(ReplyHeader) + caller::kLongestIdentity;

}  // namespace

ProcReader::ProcReader(asio::io_context& io, pid_t pid, UniqueFd socket, Shared<Progress> progress)
    : pid_(pid),
      progress_(std::move(progress)),
      socket_(io, socket.release()),
      timer_(io),
      room_(std::make_unique_for_overwrite<char[]>(kMostBytes)) {}

Result<std::unique_ptr<ProcReader>> ProcReader::start(asio::io_context& io, const Settings& settings) {
  Result<Shared<Progress>> progress = make_shared_with_children<Progress>();
  if (!progress) {
    return progress.error();
  }
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::from_errno(errno, "make a socketpair for the reader of /proc");
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Error::from_errno(errno, "fork the reader of /proc");
  }
  if (pid == 0) {
    settings.become({.socket = theirs.get(),
                     .parent = parent,
                     .proc = settings.proc,
                     .cgroup_root = settings.cgroup_root,
                     .unreadable = settings.unreadable,
                     .owners = settings.owners,
                     .hashes = settings.hashes,
                     .hashes_programs = settings.hashes_programs},
                    **progress);
    ::_exit(0);
  }
  return std::unique_ptr<ProcReader>(new ProcReader(io, pid, std::move(ours), std::move(*progress)));
}

ProcReader::~ProcReader() {
  (void)::kill(pid_, SIGKILL);  // unwaited, its number is not used again
  // A reader that waits for a file server cannot be ended: init reaps it, after us.
  for (int i = 0; i < 100 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++i) {
    (void)::poll(nullptr, 0, 1);
  }
}

bool ProcReader::ask(const Question& question) {
  return ::send(socket_.native_handle(), &question, sizeof question, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

ProcReader::Doing ProcReader::doing() const {
  return {.step = progress_->step, .question = progress_->question, .pid = progress_->pid};
}

std::string ProcReader::failure() const {
  return {progress_->failure.data(), ::strnlen(progress_->failure.data(), progress_->failure.size())};
}

std::optional<ProcReader::Reply> ProcReader::take_reply(const ReceivedMessage& came) const {
  ReplyHeader header;
  const auto size = static_cast<std::size_t>(came.size);
  const bool is_whole = size >= sizeof header && (came.flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  if (!is_whole || came.descriptors > 0) {
    return std::nullopt;
  }
  std::memcpy(&header, room_.get(), sizeof header);
  return Reply{.number = header.number,
               .started = header.started,
               .kind = header.kind,
               .pid = header.pid,
               .more = header.more != 0,
               .text = std::string(room_.get() + sizeof header, size - sizeof header)};
}

asio::awaitable<std::optional<ProcReader::Reply>> ProcReader::receive(
    std::chrono::milliseconds time, std::chrono::milliseconds patience_in_all) {
  const auto until = std::chrono::steady_clock::now() + patience_in_all;
  std::uint64_t steps = progress_->steps;
  std::chrono::milliseconds ran = running().ran;
  int patience = kMostPatience;
  while (true) {
    const ReceivedMessage came = receive_message(socket_.native_handle(), std::span(room_.get(), kMostBytes));
    if (came.size >= 0) {
      co_return take_reply(came);
    }
    if (errno != EAGAIN || std::chrono::steady_clock::now() >= until) {
      co_return std::nullopt;
    }
    timer_.expires_after(time);
    timer_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec) {
        socket_.cancel();
      }
    });
    const auto [ec] = co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    timer_.cancel();
    if (!ec) {
      continue;
    }
    const Running now = running();
    if (progress_->steps != steps) {
      steps = progress_->steps;
      patience = kMostPatience;
      ran = now.ran;
    } else if (!now.is_runnable || now.ran - ran >= time || --patience < 0) {
      // On a busy machine it may not have run yet; a reader that hangs is asleep instead, or has run for all
      // the time: the kernel may need seconds for what a hostile process has it tell.
      co_return std::nullopt;
    }
  }
}

// By its stat, which the kernel writes without waiting for it.
ProcReader::Running ProcReader::running() const {
  const UniqueFd file(::open(("/proc/" + std::to_string(pid_) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 512> text{};
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  const std::string stat(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  constexpr int kBeforeTimes = 10;  // fields between the state and the times
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::string state;
  std::string ignored;
  fields >> state;
  for (int i = 0; i < kBeforeTimes; ++i) {
    fields >> ignored;
  }
  std::int64_t in_user_mode = 0;
  std::int64_t in_kernel = 0;
  fields >> in_user_mode >> in_kernel;
  const std::int64_t ticks_per_second = ::sysconf(_SC_CLK_TCK);
  return {.is_runnable = state == "R",
          .ran = std::chrono::milliseconds((in_user_mode + in_kernel) * 1000 / ticks_per_second)};
}

}  // namespace msi2imds::resolver
