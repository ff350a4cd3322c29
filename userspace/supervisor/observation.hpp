// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/asio.hpp"
#include "observer/observer.hpp"

namespace msi2imds::supervisor {

// Sees who dials the legacy ports: by the observer's programs or, in observe mode where these cannot be
// attached, by looking at the open connections now and then.
class Observation {
 public:
  // Connections that others serve, in observe mode.
  using Receiver = std::function<void(std::vector<observer::Dialler> seen)>;
  using Time = std::chrono::steady_clock::time_point;

  explicit Observation(asio::io_context& io);
  ~Observation();
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

  // Begins, or begins anew with another plan. Where the programs cannot be attached, the log says why.
  void start(observer::Plan plan);
  // The same in observe mode: each connection is handed over once, those that are open already as well.
  void start(observer::Plan plan, Receiver receiver);
  void stop();

  // Hands over all that has been seen by now, without waiting for the next report. Nothing outside observe
  // mode.
  void hand_over_now();

  // To be called each second. Attaches the programs again if somebody has removed them; what failed is tried
  // again every ten seconds. Once notes of connections have been of little use for ten seconds, nobody is to
  // use them.
  void keep_in_force(Time now = std::chrono::steady_clock::now());

  // Adds what the observer saw of the connect() to what the client's socket tells, and whether both agree.
  void add_to(caller::Clues& clues) const;

  // Has to be told of each question about connections. True: these are many, and cost more than notes, so
  // connections are noted from here on.
  [[nodiscard]] bool note_if_many_call(std::size_t questions, Time now = std::chrono::steady_clock::now());
  // The array in which the kernel notes who dials, for the responder; -1: it does not, or soon will not. It
  // may be another one once attachments() has changed.
  [[nodiscard]] int noted_connections() const;
  [[nodiscard]] std::uint64_t attachments() const {
    return generation_;
  }
  // Nobody uses them any more who was told of these attachments(). While the kernel notes nothing, an older
  // note could be taken for that of a later connection.
  void stop_noting(std::uint64_t attachments);

  // What an operator needs to know: why callers are less well known than they could be; empty if they are
  // not.
  [[nodiscard]] const std::string& shortcoming() const {
    return shortcoming_;
  }

 private:
  // The programs, and the coroutine's descriptor for their reports: whoever replaces the one cancels the
  // other.
  struct Attached;

  // Connections are noted while many call: it costs all that the machine makes. `ending`: until the responder
  // uses none.
  enum class Noting : std::uint8_t { no, yes, ending };

  void attach(Time now);
  void detach();
  void judge_notes(Time now);
  void report_shortcoming(const std::string& reason);
  bool hand_over_reports();
  asio::awaitable<void> read_reports(std::shared_ptr<Attached> attached);
  asio::awaitable<void> look_now_and_then(std::uint64_t generation);
  void look_at_connections();

  asio::io_context& io_;
  observer::Plan plan_;
  Receiver receiver_;  // none: nobody wants to know
  std::shared_ptr<Attached> attached_;
  Noting noting_ = Noting::no;
  Time no_notes_before_;
  Time second_;                          // the one that is counted in
  std::size_t questions_in_second_ = 0;  // about connections
  std::uint64_t questions_ = 0;          // since the last look
  std::uint64_t established_ = 0;        // all connections, as of the last look
  int looks_in_vain_ = 0;
  std::string shortcoming_;
  Time next_attempt_;
  asio::steady_timer look_timer_;
  std::uint64_t generation_ = 0;         // counts what changes: a coroutine of an earlier one ends
  std::set<std::uint64_t> handed_over_;  // cookies of connections, as of the last look and since
};

}  // namespace msi2imds::supervisor
