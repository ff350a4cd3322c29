// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/shortcoming.hpp"
#include "base/asio.hpp"
#include "base/unique_fd.hpp"
#include "config/config.hpp"
#include "control/channel.hpp"
#include "supervisor/record_files.hpp"

namespace msi2imds::supervisor {

// What the responder records, and where it may: the audit file, the file of who called, the port for metrics.
// None of it is a reason not to serve: what fails is logged.
class Records {
 public:
  // Gives a responder what it records to; the descriptors are opened anew, since files are rotated.
  void hand_over(const config::Config& config, control::Channel& channel, bool to_new_responder);

  // The answer to open_usage_file, with a descriptor where there is one.
  [[nodiscard]] control::Message begin_usage_file(UniqueFd& descriptor);

  // Puts what the responder has written in the place of the old state.
  void save_usage_file(std::uint64_t size);

  // Renames a file that cannot be read, and so keeps it for somebody to look at. False: this responder has
  // asked for that before, though it reads the file only once.
  [[nodiscard]] bool set_usage_file_aside(std::string_view why);

  // Gives up the socket for metrics if it accepts nobody any more; hand_over() opens another. True: it did.
  [[nodiscard]] bool drop_dead_socket();

  // Logs how the last save ended, if it failed or is the first to succeed again. To be called regularly.
  void look_after_saving();

  // Why who called is not kept at present; empty if it is.
  [[nodiscard]] const std::string& shortcoming() const {
    return shortcoming_;
  }

  // Tries again what could not be opened, and gives it to the responder. To be called regularly.
  void try_again(const config::Config& config, control::Channel& channel);

  // All that does not work at present.
  void describe(admin::Shortcomings& all) const;

  // Waits, for so long at most, until the last save has reached the disk.
  asio::awaitable<void> finish(std::chrono::milliseconds patience);

 private:
  [[nodiscard]] Result<UniqueFd> open_usage_file();
  void hand_over_audit_file(const std::string& path, control::Channel& channel, bool to_new_responder);
  void hand_over_metrics_socket(std::uint16_t port, control::Channel& channel);
  void change_usage_file(const std::string& path);
  void report(const Result<void>& saved);

  std::unique_ptr<StateFile> usage_file_;
  std::vector<std::unique_ptr<StateFile>> earlier_files_;  // until what was begun has reached the disk
  std::string usage_path_;
  std::string shortcoming_;
  bool was_set_aside_ = false;  // for this responder
  std::string audit_shortcoming_;
  std::string metrics_shortcoming_;
  UniqueFd metrics_socket_;
  std::uint16_t metrics_port_ = 0;
};

}  // namespace msi2imds::supervisor
