// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/socket_address.hpp"
#include "caller/caller.hpp"
#include "caller/seen_connections.hpp"
#include "http/connection.hpp"
#include "netlink/sock_diag.hpp"
#include "responder/destination.hpp"
#include "responder/identity_book.hpp"
#include "responder/recorder.hpp"
#include "responder/settings.hpp"
#include "responder/shares.hpp"
#include "responder/warnings.hpp"
#include "token/token_source.hpp"

namespace msi2imds::responder {

// What all sessions use.
struct Services {
  asio::io_context& io;
  const Settings& settings;
  token::TokenSource& tokens;
  http::Deadlines deadlines;
  WaitSet& sockets;
  std::optional<netlink::SockDiag> sock_diag;                            // none: callers stay unknown
  std::vector<std::pair<std::uint64_t, netlink::SockDiag>> of_networks;  // the same of containers', by number
  std::optional<caller::SeenConnections> seen_connections;               // none: each is asked about
  IdentityBook callers;
  Recorder recorder;
  Shares shares;
  Warnings warnings;
  http::Request spare_request = {};  // memory for whoever's request comes next
  std::string spare_body = {};       // and for his answer; empty and wiped
  std::string spare_resource = {};   // for what he asks for
  std::string spare_record = {};     // and for what is recorded of it

  // That of the network; null: none.
  [[nodiscard]] netlink::SockDiag* sock_diag_of(std::uint64_t network) {
    if (network == 0) {
      return sock_diag ? &*sock_diag : nullptr;
    }
    for (auto& [number, of_network] : of_networks) {
      if (number == network) {
        return &of_network;
      }
    }
    return nullptr;
  }
};

using SessionHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// A connection that was accepted, and nothing more.
struct Arrived {
  UniqueFd socket;
  SocketAddress peer;
  Destination destination;
  std::uint64_t network = 0;                                  // the container's that it came in; 0: ours
  std::optional<caller::SeenConnection> seen = std::nullopt;  // what the kernel has noted of it
  PendingIdentityPtr lookup = nullptr;                        // its caller, if he is known by that
};

// One client's connection, from accept to close.
class Session final : public SessionHook, public Sharer, private http::InputAccount {
 public:
  // `services` must outlive the session.
  static std::shared_ptr<Session> open(Arrived arrived, Services& services);
  Session(Arrived arrived, caller::Caller caller, Services& services);

  // How much of callers the rules ask for; `is_choice`: also those that choose an identity.
  static Need need(const Services& services, bool is_choice);

  // Answers requests until there are no more.
  Task<void> run();

  void close_when_idle() {
    connection_.close_when_idle();
  }
  void stop_reading() {
    connection_.stop_reading();
  }
  // Ends it, even in the middle of an answer.
  void close() {
    connection_.close();
  }

  // Whether it is from there, in our own network.
  [[nodiscard]] bool is_from(const SocketAddress& peer) const {
    return is_of_our_network_ && peer_ == peer;
  }

 private:
  Task<http::Response> respond(http::Request& request);
  [[nodiscard]] http::Response fail(const token::FetchResult& result);
  Task<std::optional<caller::Identity>> know_caller(const token::TokenRequest& request);
  void look_up_for(Need needed);
  [[nodiscard]] bool choose_identity(const caller::Identity& known, token::TokenRequest& request);
  [[nodiscard]] bool judge(const caller::Identity& known, const token::TokenRequest& request);
  void record(unsigned status);
  void keep_spare_body(std::string& body) const;
  [[nodiscard]] bool has_unread_input() override {
    return connection_.has_arrived_input();
  }
  void give_way() override {
    connection_.close();
  }
  void set_input_bytes(std::size_t bytes) override {
    services_.shares.set_input_bytes(*this, bytes);
  }

  SocketAddress peer_;
  bool is_of_our_network_;
  Destination destination_;
  caller::Caller caller_;
  PendingIdentityPtr lookup_;
  Need looked_up_for_ = Need::nothing;
  int unrecorded_ = 0;  // requests
  RequestRecord request_;
  Services& services_;
  http::Connection connection_;
};

}  // namespace msi2imds::responder
