// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "redirect/redirector.hpp"
#include "supervisor/admin_socket.hpp"
#include "supervisor/caller_directory.hpp"
#include "supervisor/kept_memory.hpp"
#include "supervisor/listening_sockets.hpp"
#include "supervisor/record_files.hpp"
#include "supervisor/reserved_ports.hpp"
#include "supervisor/responder_process.hpp"
#include "supervisor/restart_policy.hpp"

namespace msi2imds::supervisor {

// Besides SIGTERM, which may mean a restart: stop, and leave no redirection for a successor.
inline constexpr int kStopForGood = SIGUSR2;

enum class Mode {
  serve,
  observe,  // redirect nothing, only record who calls
};

// The privileged process: owns sockets, redirection and the responder's life, and reads no byte from clients.
class Supervisor {
 public:
  // `load` reads the configuration again, for a reload.
  using Load = std::function<Result<config::Config>()>;
  Supervisor(asio::io_context& io, config::Config config, Load load, std::vector<UniqueFd> inherited,
             Mode mode);

  // Serves until SIGTERM, SIGINT or SIGQUIT, then drains. An error: could not start, nothing is left behind.
  asio::awaitable<Result<void>> run();

 private:
  using SeenConnection = std::pair<std::string, std::uint64_t>;  // the client's address, its socket's inode

  // What is redirected, and how.
  struct Interception {
    std::unique_ptr<redirect::Redirector> redirector;
    std::vector<redirect::Listener> listeners;
    std::unique_ptr<redirect::Redirection> redirection;  // none while failed open
  };

  Result<void> prepare();
  asio::awaitable<Result<void>> keep_responder_running();
  asio::awaitable<Outcome> run_responder();
  Result<void> hand_over(control::Channel& channel);
  asio::awaitable<void> follow_responder(control::Channel& channel);
  void answer(control::Channel& channel, const control::Message& question);
  asio::awaitable<void> answer_about_callers(control::Message question);
  void on_ready();
  void fail_open();
  void warn_of_configuration();

  [[nodiscard]] redirect::Plan plan_of(const config::Config& config) const;
  Result<Interception> plan_interception(const config::Config& config);
  Result<void> attach();
  void remove_leftovers_of_others();
  void reserve_ports();
  void keep_in_force();
  [[nodiscard]] control::Message describe_redirection();
  void hand_over_records(control::Channel& channel, bool to_new_responder);
  void hand_over_token_memory(control::Channel& channel);
  control::Message open_callers_state(UniqueFd& descriptor);
  void save_callers(std::uint64_t size);
  void set_callers_aside(std::string_view why);
  void give_back_inheritance();
  bool hand_over_to_successor();
  Result<void> send_configuration(control::Channel& channel);
  Result<void> send_listeners(control::Channel& channel);

  void keep_discovery_file();
  bool watch_discovery_file();
  asio::awaitable<void> wait_for_discovery_file();

  void observe();
  asio::awaitable<void> watch_connections();
  asio::awaitable<void> look_at_connections();
  void tell_observed(std::vector<control::CallerAnswer> seen);

  asio::awaitable<void> handle_signals();
  asio::awaitable<void> watch();
  asio::awaitable<void> limit_drain(std::chrono::milliseconds limit);
  asio::awaitable<void> feed_service_manager();
  void stop(bool for_good);
  void reload();
  Result<void> apply(config::Config config);

  asio::io_context& io_;
  config::Config config_;
  Load load_;
  std::vector<std::string> warnings_;  // of the configuration
  Mode mode_;
  KeptMemory token_memory_;
  int starts_in_vain_ = 0;  // of responders, in a row
  ListeningSockets sockets_;
  User user_;
  std::optional<AdminSocket> admin_socket_;
  Interception interception_;
  std::optional<ReservedPorts> reserved_ports_;
  CallerDirectory callers_;
  std::unique_ptr<StateFile> callers_file_;
  std::string callers_path_;
  std::set<SeenConnection> seen_connections_;  // at the last look, while observing
  UniqueFd metrics_socket_;
  std::uint16_t metrics_port_ = 0;
  std::string attach_failure_ = "the responder has not started yet";
  std::string repair_failure_;  // told once, until it is another one
  std::optional<asio::posix::stream_descriptor> discovery_watch_;
  std::string discovery_failure_;  // told once, until it is another one

  std::unique_ptr<ResponderProcess> responder_;
  std::uint64_t responders_started_ = 0;
  bool responder_ready_ = false;
  bool responder_hung_ = false;
  std::chrono::steady_clock::time_point last_heard_;

  asio::signal_set signals_;
  asio::steady_timer back_off_;
  asio::steady_timer watch_timer_;
  asio::steady_timer drain_timer_;
  asio::steady_timer service_manager_timer_;
  asio::steady_timer look_timer_;
  bool announced_ = false;  // READY=1 was sent
  bool stopping_ = false;
  bool tokens_stay_ = false;  // for a successor
};

}  // namespace msi2imds::supervisor
