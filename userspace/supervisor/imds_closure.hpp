// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "admin/status.hpp"
#include "base/async_mutex.hpp"
#include "config/config.hpp"
#include "redirect/barrier.hpp"
#include "supervisor/leavings.hpp"

namespace msi2imds::supervisor {

// Keeps users whom no rule names from asking IMDS itself, where policy.close_imds says so. It is in force
// with the redirection. What takes several steps is done one at a time, in the order of the calls.
class ImdsClosure {
 public:
  explicit ImdsClosure(asio::io_context& io) : turn_(io) {}

  // Closes IMDS as the configuration says, or opens it where that does not close it, without a gap between
  // two configurations; puts back what somebody else has removed. What fails is logged, and tried again by
  // the next call; for that it is called every second.
  asio::awaitable<void> follow(const config::Config& config);

  // Opens it.
  asio::awaitable<void> open();

  // Opens it for good, or leaves it closed for a successor; follow() does nothing afterwards.
  asio::awaitable<void> end(bool successor_serves);

  // What is in force, as it was found last.
  [[nodiscard]] admin::DirectImds describe(const config::Config& config) const;

  // Whether IMDS could be opened last; if not, the barrier's guard goes on trying.
  [[nodiscard]] const Result<void>& removal() const {
    return removal_;
  }

 private:
  asio::awaitable<void> close(redirect::BarrierPlan plan, std::string pin_directory);
  asio::awaitable<void> raise_anew(redirect::BarrierPlan plan, std::string pin_directory);
  asio::awaitable<void> lower();
  asio::awaitable<void> remove_leftovers(std::string pin_directory);
  void note(const Result<void>& outcome);

  AsyncMutex turn_;
  std::unique_ptr<redirect::Barrier> barrier_;  // stays after it was opened: its guard may still be at work
  std::optional<redirect::BarrierPlan> plan_;   // in force
  std::string failure_ = "it is being closed";  // why it is not closed as it should be, as found last
  std::string logged_failure_;                  // until it is another one
  Result<void> removal_;
  unsigned looks_in_vain_ = 0;
  Leavings leavings_;
  bool has_ended_ = false;
};

}  // namespace msi2imds::supervisor
