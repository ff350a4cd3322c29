// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "accounts/accounts.hpp"
#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "resolver/identifier.hpp"
#include "resolver/proc_reader.hpp"
#include "resolver/user_names.hpp"

namespace msi2imds::resolver {

struct Settings {
  std::string proc = "/proc";
  int cgroup_root =
      -1;  // the root directory of cgroup2, for as long as the resolver lives; -1: there is none
  std::chrono::milliseconds deadline{100};
  std::string passwd_file = accounts::kPasswdFile;
};

// An identity as caller::serialize() writes it. Nobody reads it here.
using SerializedIdentity = std::shared_ptr<const std::string>;

// Finds out who callers are, without ever hanging: /proc is read by a child process, which is ended and
// replaced when it has not answered by the deadline.
class Resolver {
 public:
  Resolver(asio::io_context& io, Settings settings);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // Who made each of the connections, in order.
  asio::awaitable<std::vector<SerializedIdentity>> resolve(std::vector<caller::Clues> questions);

 private:
  // Questions that the reader is asked together.
  struct Batch {
    explicit Batch(asio::io_context& io) : answered(io, asio::steady_timer::time_point::max()) {}
    std::vector<caller::Clues> questions;
    std::vector<SerializedIdentity> identities;
    bool is_answered = false;
    asio::steady_timer answered;  // cancelled when it is
  };
  // A process of which everything is known, as long as it runs.
  struct Known {
    caller::Clues question;
    SerializedIdentity identity;
    std::int64_t started = 0;
    std::chrono::steady_clock::time_point read;
    UniqueFd process;  // pidfd
  };

  [[nodiscard]] SerializedIdentity remember(const caller::Clues& question);
  void keep(const caller::Clues& question, SerializedIdentity identity, std::int64_t started,
            UniqueFd process);
  asio::awaitable<void> work();
  asio::awaitable<bool> ask_reader(Batch& batch);
  [[nodiscard]] bool is_known_to_hang(const caller::Clues& question);
  void answer_without_reader(Batch& batch);

  asio::io_context& io_;
  Settings settings_;
  UserNames users_;  // for whoever the reader does not tell about
  std::unique_ptr<ProcReader> reader_;
  std::deque<std::shared_ptr<Batch>> queue_;
  bool working_ = false;
  std::unordered_map<std::int32_t, Known> known_;
  std::unordered_map<std::int32_t, std::chrono::steady_clock::time_point> hanging_;  // until then left alone
};

}  // namespace msi2imds::resolver
