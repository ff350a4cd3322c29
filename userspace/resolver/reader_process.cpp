// SPDX-License-Identifier: MIT
#include "resolver/reader_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/signals.hpp"
#include "resolver/cage.hpp"
#include "resolver/hashing.hpp"

namespace msi2imds::resolver {
namespace {

// Sends what it hears to the parent.
class Sender final : public Listener {
 public:
  explicit Sender(int socket) : socket_(socket) {}

  void hear_identity(std::uint64_t number, const Found& found, bool more) override {
    send({.number = number,
          .started = found.started,
          .kind = ReplyKind::identity,
          .more = more ? std::uint8_t{1} : std::uint8_t{0}},
         caller::serialize(found.identity));
  }
  void hear_unhashed(std::uint64_t number, const Found& found) override {
    send({.number = number, .pid = found.identity.pid.value_or(0), .kind = ReplyKind::unhashed},
         caller::serialize(found.identity));
  }
  void hear_hash(std::uint64_t number) override {
    send({.number = number, .kind = ReplyKind::hashed}, "");
  }
  void hear_command_line(std::uint64_t number, const std::string& line) override {
    send({.number = number, .kind = ReplyKind::command_line}, line);
  }

 private:
  void send(const ReplyHeader& header, const std::string& text) const {
    std::string message(sizeof header, '\0');
    std::memcpy(message.data(), &header, sizeof header);
    message += text;
    if (::send(socket_, message.data(), message.size(), MSG_NOSIGNAL) < 0) {
      ::_exit(0);
    }
  }

  int socket_;
};

// Whatever waits is taken before the next step, so that everybody's turn is known. Without work, it waits for
// a question.
template <typename Work>
void take_questions(int socket, Work& work, bool is_idle) {
  Question question;
  int flags = is_idle ? 0 : MSG_DONTWAIT;
  while (true) {
    const ssize_t size = ::recv(socket, &question, sizeof question, flags);
    if (size == static_cast<ssize_t>(sizeof question)) {
      work.ask(question);
      flags = MSG_DONTWAIT;
    } else if (size < 0 && errno == EAGAIN) {
      return;
    } else if (size >= 0 || errno != EINTR) {
      ::_exit(0);  // the parent is gone
    }
  }
}

template <typename Work>
[[noreturn]] void go_on(int socket, Work& work) {
  bool is_idle = true;
  while (true) {
    take_questions(socket, work, is_idle);
    is_idle = !work.advance();
  }
}

[[noreturn]] void answer_questions(const ReaderSettings& settings, Progress& progress) {
  Sender sender(settings.socket);
  if (settings.hashes_programs) {
    Hashing hashing(settings.proc, *settings.hashes, sender, progress, kSettling, settings.owners);
    go_on(settings.socket, hashing);
  }
  Investigation investigation(
      Identifier(settings.proc, UniqueFd(settings.cgroup_root), UserNames(), settings.owners), sender,
      progress, settings.hashes, [&](pid_t pid) { return !settings.unreadable.contains(pid); });
  go_on(settings.socket, investigation);
}

// No socket may stay open here: callers would wait in its backlog for nobody.
void keep_only_what_is_needed(ReaderSettings& settings) {
  constexpr int kOutOfTheWay = 16;
  const int socket = ::fcntl(settings.socket, F_DUPFD_CLOEXEC, kOutOfTheWay);
  const int root =
      settings.cgroup_root < 0 ? -1 : ::fcntl(settings.cgroup_root, F_DUPFD_CLOEXEC, kOutOfTheWay);
  settings.socket = ::dup2(socket, kReaderSocket);
  settings.cgroup_root = root < 0 ? -1 : ::dup2(root, kReaderCgroupRoot);
  ::closefrom(root < 0 ? kReaderSocket + 1 : kReaderCgroupRoot + 1);
}

}  // namespace

[[noreturn]] void become_reader(const ReaderSettings& settings, Progress& progress) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != settings.parent) {
    ::_exit(0);
  }
  ignore_signals();
  (void)::setsid();
  (void)::prctl(PR_SET_NAME, "msi2imds-proc", 0, 0, 0);
  ReaderSettings own = settings;
  keep_only_what_is_needed(own);
  const Result<bool> caged = enter_cage();
  if (!caged) {
    const std::string failure = caged.error().message().substr(0, progress.failure.size() - 1);
    std::ranges::copy(failure, progress.failure.begin());
    ::_exit(1);
  }
  progress.has_no_filter = !*caged;
  answer_questions(own, progress);
}

}  // namespace msi2imds::resolver
