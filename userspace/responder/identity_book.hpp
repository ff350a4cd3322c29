// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/asio.hpp"
#include "base/holder.hpp"
#include "base/socket_address.hpp"
#include "caller/caller.hpp"
#include "caller/identity.hpp"
#include "caller/seen_connections.hpp"
#include "control/channel.hpp"
#include "control/identities.hpp"
#include "responder/pending_identity.hpp"
#include "responder/remembered_callers.hpp"

namespace msi2imds::responder {

// Asks the supervisor who callers are: about many of one user in a message, while their requests are served;
// no user waits for what is asked about another. Whoever dials several times within `kPace` is asked about
// once in that time, unless a request waits for the answer. Keeps the identities that the supervisor has
// sent, until it says that they may go.
class IdentityBook {
 public:
  static constexpr std::chrono::milliseconds kPace{1};

  // Sends to the supervisor.
  using Tell = std::function<Result<void>(const control::Message& message)>;

  explicit IdentityBook(asio::io_context& io, std::chrono::nanoseconds pace = kPace)
      : io_(io), pace_(pace), too_late_(io), rests_over_(io) {}

  // Before that, nothing is known but what sock_diag tells.
  void ask_with(Tell tell) {
    tell_ = std::move(tell);
  }

  // Begins to find out whose connection it is. The answer comes within seconds, whatever happens.
  // `owner` is whose it counts towards (base/holder.hpp): he may have so many waiting, and more are not
  // looked up.
  // `seen`, what the kernel has noted of the connection, is how he is known again.
  PendingIdentityPtr look_up(const caller::Caller& caller, Need need, std::uint32_t owner,
                             const std::optional<caller::SeenConnection>& seen = std::nullopt);

  // Whose connection that is, if the supervisor has told of him within the last second; else null.
  [[nodiscard]] PendingIdentityPtr recall(const caller::SeenConnection& seen) const;

  // The rules have changed: what was told may lack what they ask for.
  void forget_remembered() {
    remembered_.forget_all();
  }

  // Waits until the lookup is over, or all are.
  asio::awaitable<void> wait(PendingIdentityPtr lookup);
  // Waits until it is known whether the clues agree, which takes no look at the process.
  asio::awaitable<void> wait_for_agreement(PendingIdentityPtr lookup);
  asio::awaitable<void> wait_for_all();

  // Ends all lookups, now and from here on, with what the kernel has told of the caller.
  void give_up();

  // What the supervisor says, in the order in which it came: an identity, that one may go, whose the
  // connections are that were asked about.
  void take_identity(const control::Message& message);
  // Returns the caller whose command line it is; null where the book has no such caller.
  std::shared_ptr<const caller::Identity> take_command_line(const control::Message& message);
  void forget_identity(const control::Message& message);
  void take_agreements(const control::Message& message);
  void take_answers(const control::Message& message);

  // A caller of whom the supervisor tells unasked.
  [[nodiscard]] PendingIdentityPtr look_up(const control::IdentityAnswer& answer) const;

 private:
  // Not const: a command line comes later, also to whoever knows the identity already.
  using Identities = std::unordered_map<std::uint64_t, std::shared_ptr<caller::Identity>>;
  using Unfinished = boost::intrusive::list<PendingIdentity, boost::intrusive::constant_time_size<false>>;
  struct Pending {
    Need need = Need::nothing;
    PendingIdentityPtr lookup;
  };
  using User = Holder;  // of the client's socket
  using Time = std::chrono::steady_clock::time_point;
  enum class Stage : std::uint8_t {
    idle,
    resting,  // to be asked about when that is over
    due,
    asked,  // a question about some of his is under way
  };
  struct OfUser {
    std::vector<Pending> pending;
    Stage stage = Stage::idle;
    bool is_awaited = false;  // a request waits for what is pending
  };
  struct OfOwner {
    std::list<User> due;      // his uids about which something is to be asked
    std::size_t asked = 0;    // questions under way
    std::size_t pending = 0;  // of all his uids
  };
  struct Question {
    User user;
    Time asked;
    std::vector<Pending> lookups;
  };
  // About how many connections of a user was asked in the time of one pace.
  struct Recent {
    User user;
    Time until;
    std::size_t connections = 0;
  };

  void ask_or_rest(User user, OfUser& of_user);
  void make_due(User user, OfUser& of_user);
  void note_asked(User user, std::size_t connections, Time now);
  void end_rests();
  void flush_soon();
  void flush();
  std::vector<Pending> take_some(std::vector<Pending>& pending);
  void ask(User user, std::vector<Pending> pending);
  void may_be_asked_again(User user);
  void forget_if_done(std::uint32_t owner);
  void end_late_questions();
  void end_question(std::uint64_t number, const std::string& failure);
  void give_up(PendingIdentity& lookup) const;
  void finish(PendingIdentity& lookup, const control::IdentityAnswer& answer) const;
  void remember(const PendingIdentity& lookup, const control::IdentityAnswer& answer);
  // What is known when the supervisor cannot tell more.
  [[nodiscard]] std::shared_ptr<const caller::Identity> known_without(const PendingIdentity& lookup,
                                                                      const std::string& reason) const;

  asio::io_context& io_;
  std::chrono::nanoseconds pace_;
  Tell tell_;
  std::map<User, OfUser> users_asked_;
  std::map<std::uint32_t, OfOwner> owners_;
  std::set<std::uint32_t> to_ask_;  // owners of whom something may be asked
  // Those that are under way, one of a user, and a few of an owner: thousands of uids would fill the channel.
  // What comes meanwhile is asked about together afterwards: with four questions at a time, they cost twice
  // as much throughput (docs/benchmarks.md).
  std::map<std::uint64_t, Question> questions_;
  std::uint64_t last_question_ = 0;
  asio::steady_timer too_late_;  // for the oldest question
  bool is_timed_ = false;
  std::array<Recent, 64> recent_;  // by uid; whoever takes the place of another only lets him be asked about
  asio::steady_timer rests_over_;
  std::vector<User> resting_;
  Unfinished unfinished_;  // those of users_asked_ and questions_
  bool gave_up_ = false;
  bool is_flush_posted_ = false;
  Identities identities_;
  RememberedCallers remembered_;
  std::unordered_map<uid_t, std::string> users_;  // as the identities have told
};

}  // namespace msi2imds::responder
