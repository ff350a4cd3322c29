// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "caller/clues.hpp"
#include "loader/cgroup_attachment.hpp"
#include "loader/libbpf.hpp"

struct observe_bpf;
struct ring_buffer;

// Sees who dials the legacy ports, whatever becomes of the connection. Changes nothing.
namespace msi2imds::observer {

// A connect() to a legacy port, as the kernel saw it. The process number, which is not that of the thread, is
// the machine's: it means another process in a container.
struct Dialler {
  caller::Clues clues;
  SocketAddress dialled;
};

struct Plan {
  std::vector<std::uint16_t> legacy_ports;
  std::uint16_t listen_port = 342;    // what a client dials whose connect() was rewritten before we saw it
  std::string cgroup = "/";           // whose processes are seen, from the root of cgroup2
  bool report = false;                // tell each connect() as it happens
  bool by_helpers_alone = false;      // as on a kernel that does not show its tasks
  bool can_note_connections = false;  // loads what note_connections() attaches
};

// The observer's programs, attached; destroying it detaches them, as does the end of the process.
class Observer {
 public:
  // Fails where this kernel (before 5.8), or these privileges, do not do.
  static Result<Observer> attach(const Plan& plan);

  Observer(Observer&&) noexcept;
  Observer& operator=(Observer&&) = delete;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  ~Observer();

  // Who connected the socket with this cookie; nothing, if nobody was seen to. One system call.
  [[nodiscard]] std::optional<Dialler> find(std::uint64_t cookie) const;

  // Whether groups, program and the start of a process are known as they were at its connect().
  [[nodiscard]] bool shows_tasks() const {
    return shows_tasks_;
  }

  // Notes connections, for whoever accepts them, until stop_noting(). All TCP connections of the machine take
  // 0.6 to 0.9 us more meanwhile. False without Plan::can_note_connections, and where the kernel has not
  // what it takes (Linux 5.15).
  [[nodiscard]] bool note_connections();
  void stop_noting();
  // The array of these notes, for caller::SeenConnections::map(); -1 while nothing is noted.
  [[nodiscard]] int noted_connections() const;
  // Connections to the legacy ports that were established while they were noted.
  [[nodiscard]] std::uint64_t count_established() const;

  // Whether the kernel still has the programs attached.
  [[nodiscard]] Result<void> check() const;

  // A descriptor that is readable while reports wait; -1 without Plan::report.
  [[nodiscard]] int reports() const;
  // What has been reported since the last call, a part of it if that is much. Never waits.
  [[nodiscard]] std::vector<Dialler> take_reports();
  // How many reports did not fit, for want of somebody who takes them.
  [[nodiscard]] std::uint64_t lost_reports() const;

 private:
  struct Deleter {
    void operator()(observe_bpf* skeleton) const noexcept;
    void operator()(ring_buffer* buffer) const noexcept;
  };
  using Skeleton = std::unique_ptr<observe_bpf, Deleter>;

  explicit Observer(Skeleton skeleton);
  enum class Programs : std::uint8_t { by_helpers, by_tasks, by_tasks_and_connections };
  static Result<Observer> load(Programs programs);
  static Result<Observer> load(const Plan& plan);
  Result<void> configure(const Plan& plan);
  Result<void> learn_namespace(std::uint16_t legacy_port);
  Result<void> attach_to(const std::string& cgroup);
  Result<void> open_reports();

  Skeleton skeleton_;
  bool shows_tasks_ = false;
  UniqueFd udp_;                                       // by which the programs learn our network namespace
  std::vector<loader::CgroupAttachment> attachments_;  // detached before the programs go
  loader::Link connected_;                             // none: connections are not noted
  std::unique_ptr<std::vector<Dialler>> taken_;        // where the ring buffer's callback puts them
  std::unique_ptr<ring_buffer, Deleter> buffer_;
};

}  // namespace msi2imds::observer
