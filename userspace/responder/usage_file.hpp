// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "responder/recorder.hpp"
#include "responder/supervisor_link.hpp"

namespace msi2imds::responder {

// Keeps the table of callers in a file that the supervisor opens.
class UsageFile {
 public:
  // Everything referred to must outlive the io_context's run().
  UsageFile(asio::io_context& io, SupervisorLink& link, Recorder& recorder)
      : io_(io), link_(link), recorder_(recorder), saved_(io, asio::steady_timer::time_point::max()) {}

  // Loads what was saved last; without a descriptor there is nothing yet. A damaged file is reported to the
  // supervisor, which sets it aside.
  void load(const UniqueFd& file);

  // Saves every ten seconds if something has changed, until the io_context stops.
  asio::awaitable<void> keep();

  // Saves what there is at the time. One save begins when the other has ended.
  asio::awaitable<Result<void>> save();

  // The same, and once more for as long as the supervisor or its disk is busy: without it, what happened
  // since the last time is lost. Whoever waits longer than a drain lasts is ended.
  asio::awaitable<Result<void>> save_at_the_end();

  // Why the table is not kept at present; empty if it is.
  [[nodiscard]] const std::string& shortcoming() const {
    return shortcoming_;
  }

 private:
  asio::awaitable<Result<void>> write();

  asio::io_context& io_;
  SupervisorLink& link_;
  Recorder& recorder_;
  bool has_file_ = false;
  std::string shortcoming_;
  std::string save_failure_;  // logged once, until it is another one
  bool is_saving_ = false;
  asio::steady_timer saved_;  // never fires: cancelled when a save has ended
};

}  // namespace msi2imds::responder
