// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/task.hpp"
#include "base/unique_fd.hpp"
#include "base/wait_set.hpp"
#include "http/deadlines.hpp"
#include "http/limits.hpp"
#include "http/message.hpp"

namespace msi2imds::http {

class RequestParser;

// Why there is no next request. With `status` 0 the peer is gone (or idle for too long) and nobody waits for
// an answer; otherwise the peer is owed this status, and the connection has to be closed after it.
struct ReadFailure {
  unsigned status = 0;
  std::string reason;
};
[[noreturn]] void throw_exception_from_error(const ReadFailure& failure, const boost::source_location& where);

using ReadResult = boost::system::result<void, ReadFailure>;

// Gives back the memory of a request that is large; for one that nobody looks at any more.
void release(Request& request);

// Is told how much memory the part of a request takes that has come while the rest has not: 0 once there is
// none.
class InputAccount {
 public:
  InputAccount() = default;
  InputAccount(const InputAccount&) = delete;
  InputAccount& operator=(const InputAccount&) = delete;

  // May close() the connection.
  virtual void set_input_bytes(std::size_t bytes) = 0;

 protected:
  ~InputAccount() = default;
};

// The server's side of one HTTP/1.x connection: requests come out in order, answers go back in order, and
// every wait has a limit.
class Connection final : public Expiring {
 public:
  // `limits` must outlive the connection; a change applies from the next request on.
  Connection(WaitSet& sockets, UniqueFd socket, const Limits& limits, Deadlines& deadlines);

  // `account` must outlive every read().
  void count_input_in(InputAccount& account) {
    account_ = &account;
  }

  // Waits for the next request, whole, and puts it into `request`, whose memory is used again unless it is
  // large.
  Task<ReadResult> read(Request& request);

  // Sends the answer to the request read last, of which it uses up the body, where the head is put in front.
  // False: the peer is gone.
  Task<bool> write(Response& response);

  // Whether the peer has sent more than was read; then closing needs finish() first. One that has said that
  // nothing follows is not looked at again.
  [[nodiscard]] bool has_unread_input() {
    return peer_ends_ ? !input_.empty() : receive_what_is_there();
  }

  // Whether something has arrived that was not received yet.
  [[nodiscard]] bool has_arrived_input();

  // Ends the connection so that the peer still receives the last answer, even if it goes on sending.
  Task<void> finish();

  // True when the last request or answer said that nothing follows.
  [[nodiscard]] bool is_last() const {
    return last_;
  }

  // For a drain: closes now if between requests, else after the answer that is due. A client that has
  // connected and not asked yet gets a moment to do so.
  void close_when_idle();

  // Waits for no byte of a request any more; who has sent a part of one is told so (408).
  void stop_reading();

  // Ends it now, in whatever it does.
  void close();

 private:
  enum class Phase { idle, request, answer };

  void on_deadline() override;
  Task<bool> receive(std::size_t held_elsewhere = 0);
  [[nodiscard]] bool may_wait() const;
  [[nodiscard]] boost::system::error_code read_available();
  void set_input_bytes(std::size_t bytes);
  bool receive_what_is_there();
  void skip_empty_lines();
  Task<bool> send(std::string_view bytes);
  Task<ReadResult> read_head();
  Task<ReadResult> read_body(RequestParser& parser, const Request& request, std::size_t head_bytes);
  void end_reading();
  Task<bool> wait_until_received();
  [[nodiscard]] ReadFailure receive_failure() const;

  WaitableSocket socket_;
  const Limits& limits_;
  InputAccount* account_ = nullptr;
  std::string input_;              // received and not yet parsed
  std::size_t received_ = 0;       // bytes of this request, and of empty lines before it
  bool filled_chunk_ = false;      // what was received last: there may be more
  unsigned received_at_once_ = 0;  // how often bytes were there without a wait
  std::size_t unreceived_ = 0;     // at most so many bytes of answers
  Phase phase_ = Phase::idle;
  bool expired_ = false;
  bool draining_ = false;
  bool reads_no_more_ = false;
  bool last_ = false;
  bool peer_ends_ = false;  // as the last request says, behind which nothing had come
  bool served_ = false;     // a request was read
  unsigned version_ = 11;
  bool is_counted_ = false;  // the account has bytes of this connection
  bool head_only_ = false;   // an answer to HEAD has no body
};

}  // namespace msi2imds::http
