// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What supervisor and responder say to one another: messages of bounded size, each with at most one
// descriptor.
namespace msi2imds::control {

enum class Kind : std::uint32_t {
  // supervisor to responder
  configure,       // descriptor: a pipe with the whole configuration as TOML; text: whose uids are whose
                   // (base/holder.hpp)
  add_listener,    // descriptor: a listening socket. number: of the container's network in which it listens,
                   // accepted from at once; 0: of ours, collected until `serve`
  admin_socket,    // descriptor: the listening admin socket
  metrics_socket,  // descriptor: the listening TCP socket for metrics; none: stop serving them there
  sock_diag,  // descriptor: a NETLINK_SOCK_DIAG socket, for this responder alone; number: of the container's
              // network that it tells of; 0: ours
  leave_network,      // number: of a container's network, of which nothing is kept any more
  noted_connections,  // number: the supervisor's own; descriptor: the array in which the kernel notes who
                      // dials (caller/seen_connections.hpp); none: it does not, or soon will not
  token_memory,       // descriptor: anonymous memory for tokens, with what is kept there
  audit_file,         // descriptor: the file for audit lines; none: they go to the log. number 1: it ends
                      // within a line
  usage_file,         // descriptor: what save_usage_file wrote last, to be read
  serve,              // accept from the listeners just collected, and from no others
  identity,           // body: an identity (caller::serialize), named by its `number` from here on
  command_line,       // number: of an identity; text: its process's command line, found out after it
  forget_identity,    // number: of an identity that no later IdentityAnswer names
  observed,           // connections that others serve: IdentityAnswers (control/identities.hpp)
  agreements,  // number: of the ask_identities; a caller::Agreement for each of its questions, in order
  identities,  // number: of the ask_identities; an IdentityAnswer for each of its questions, in order
  drain,       // finish what was accepted, then leave; value: Backlog; number: milliseconds until it is ended
  // responder to supervisor
  ready,               // accepting
  alive,               // every kHeartbeat
  ask_identities,      // number: the responder's own; caller::Clues of each connection: whose is it; value: 1
                       // if the agreements are wanted before
  damaged_usage_file,  // the content of usage_file cannot be used; text: why
  save_usage_file,     // the file that open_usage_file gave is complete; number: its size
  notes_dropped,       // number: of a noted_connections without descriptor; no note is used any more
  // questions of the responder, and their answers: both have the same id
  open_upstream,    // wants a connection to IMDS
  upstream,         // descriptor: a socket that is connecting to IMDS; error: errno
  ask_redirection,  // wants to know what is in force
  redirection,      // a RedirectionReport (control/redirection.hpp)
  open_usage_file,  // wants to save the table of callers
  new_usage_file,   // descriptor: a file to write it to; error: errno
};

// What a responder that drains does with the connections that wait to be accepted.
enum class Backlog : std::int32_t { serve = 0, leave = 1 };

inline constexpr std::size_t kMostBody = std::size_t{64} * 1024;

struct Message {
  Kind kind = Kind::alive;
  std::uint32_t id = 0;
  std::int32_t error = 0;
  std::int32_t value = 0;
  std::uint64_t number = 0;
  std::string body;  // a text, or records; at most kMostBody bytes

  // What does not fit is cut.
  void set_text(std::string_view from) {
    body = from.substr(0, kMostBody);
  }
  [[nodiscard]] std::string_view get_text() const {
    return body;
  }
};

}  // namespace msi2imds::control
