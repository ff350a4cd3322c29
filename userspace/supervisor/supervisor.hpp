// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "admin/shortcoming.hpp"
#include "base/async_mutex.hpp"
#include "base/told_once.hpp"
#include "config/config.hpp"
#include "control/redirection.hpp"
#include "supervisor/admin_socket.hpp"
#include "supervisor/answers_under_way.hpp"
#include "supervisor/container_networks.hpp"
#include "supervisor/discovery_keeper.hpp"
#include "supervisor/heartbeat.hpp"
#include "supervisor/identity_service.hpp"
#include "supervisor/imds_closure.hpp"
#include "supervisor/interception.hpp"
#include "supervisor/kept_memory.hpp"
#include "supervisor/observation.hpp"
#include "supervisor/records.hpp"
#include "supervisor/reserved_ports.hpp"
#include "supervisor/responder_process.hpp"
#include "supervisor/restart_policy.hpp"
#include "supervisor/service_manager.hpp"
#include "supervisor/upstream_rate.hpp"

namespace msi2imds::supervisor {

// Besides SIGTERM, which may mean a restart: stop, and leave no redirection for a successor.
inline constexpr int kStopForGood = SIGUSR2;

enum class Mode {
  serve,
  observe,  // redirect nothing, only record who calls
};

// The privileged process: starts and stops what it is made of, in order, and keeps a responder running. It
// reads no byte from clients, and nothing in it waits while others need it.
class Supervisor {
 public:
  // `load` reads the configuration again, for a reload.
  using Load = std::function<Result<config::Config>()>;
  Supervisor(asio::io_context& io, config::Config config, Load load, std::vector<UniqueFd> inherited,
             Mode mode);

  // Serves until SIGTERM, SIGINT or SIGQUIT, then drains. An error: could not start, nothing is left behind.
  asio::awaitable<Result<void>> run();

 private:
  // From the start to the end (supervisor.cpp).
  asio::awaitable<Result<void>> prepare();
  Result<void> confine();
  asio::awaitable<void> handle_signals();
  asio::awaitable<void> watch();
  asio::awaitable<void> keep_in_force();
  void look_at_once();
  asio::awaitable<void> feed_service_manager();
  asio::awaitable<void> stop(bool for_good);
  asio::awaitable<void> clean_up();
  void reserve_ports();
  void warn_of_configuration();

  // A responder's life (responder_life.cpp).
  asio::awaitable<Result<void>> keep_responder_running();
  asio::awaitable<Outcome> run_responder();
  asio::awaitable<bool> prepare_for_responder();
  bool start_responder();
  Result<void> hand_over(control::Channel& channel);
  Result<void> hand_over_configuration(control::Channel& channel);
  Result<void> hand_over_sockets(control::Channel& channel);
  void hand_over_token_memory(control::Channel& channel);
  void hand_over_noted_connections(control::Channel& channel);
  asio::awaitable<void> follow_responder(control::Channel& channel);
  [[nodiscard]] bool act_on(control::Channel& channel, control::Received received);
  void answer_apart(const char* what, asio::awaitable<void> answer);
  asio::awaitable<void> count_answer(asio::awaitable<void> answer);
  asio::awaitable<void> replace_dead_admin_socket();
  void distrust_responder(std::size_t dead_sockets);
  asio::awaitable<void> begin_serving();
  asio::awaitable<void> limit_drain(std::chrono::milliseconds limit);
  void tell_failed_start(const std::string& why);

  // What the responder asks for (answers.cpp).
  void answer(control::Channel& channel, const control::Message& question);
  asio::awaitable<void> answer_about_redirection(std::uint32_t id);
  asio::awaitable<void> answer_about_callers(control::Message question);
  [[nodiscard]] std::vector<control::Remark> remarks(const InterceptionState& state) const;
  [[nodiscard]] admin::Shortcomings shortcomings() const;
  void tell_agreements(const control::Message& question, std::span<const caller::Agreement> agreements);

  // Another configuration (reload.cpp).
  asio::awaitable<void> reload();
  asio::awaitable<Result<void>> apply(config::Config config);
  void tell_responder_of_change(bool other_tokens, bool other_sockets);

  // Who calls (answers.cpp).
  void observe();
  asio::awaitable<void> tell_observed(std::vector<observer::Dialler> seen);
  asio::awaitable<void> finish_observing();

  asio::io_context& io_;
  config::Config config_;
  Load load_;
  std::vector<std::string> warnings_;  // of the configuration
  Mode mode_;
  User user_;
  UniqueFd empty_directory_;  // the responders' root

  ServiceManager service_manager_;
  KeptMemory token_memory_;
  std::optional<AdminSocket> admin_socket_;
  Interception interception_;
  ImdsClosure closure_;
  std::optional<ReservedPorts> reserved_ports_;
  DiscoveryKeeper discovery_;
  Observation observation_;
  IdentityService identities_;
  ContainerNetworks containers_;
  std::string identification_shortcoming_;
  Records records_;

  std::unique_ptr<ResponderProcess> responder_;
  std::uint64_t responders_started_ = 0;
  std::uint64_t attachment_told_of_ = 0;  // of the observer, to the responder
  int starts_in_vain_ = 0;                // of responders, in a row
  ToldOnce start_failure_;                // of responders
  bool responder_is_sent_away_ = false;   // for a failure that was told
  bool lets_through_ = false;             // which was told
  bool responder_ready_ = false;
  bool responder_hung_ = false;
  bool following_ = false;  // what the responder says is read
  Heartbeat heartbeat_;
  UpstreamRate upstream_rate_;
  AnswersUnderWay answers_;
  std::uint64_t sockets_replaced_ = 0;
  bool opening_admin_socket_ = false;

  asio::signal_set signals_;
  asio::steady_timer back_off_;
  asio::steady_timer watch_timer_;
  asio::steady_timer repair_timer_;
  asio::steady_timer drain_timer_;
  asio::steady_timer service_manager_timer_;
  AsyncMutex change_;                 // held by reload() and stop(): one goes before the other
  int observed_untold_ = 0;           // of tell_observed(): how many are under way
  asio::steady_timer observed_told_;  // its cancellation says that none is
  bool announced_ = false;            // READY=1 was sent
  bool stopping_ = false;
  bool look_at_once_ = false;  // at what is kept in force
  bool tokens_stay_ = false;   // for a successor
  bool handed_over_ = false;   // the redirection, to a successor
};

}  // namespace msi2imds::supervisor
