// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async_mutex.hpp"
#include "base/socket_address.hpp"
#include "base/told_once.hpp"
#include "config/config.hpp"
#include "redirect/redirector.hpp"
#include "supervisor/leavings.hpp"
#include "supervisor/listening_sockets.hpp"

namespace msi2imds::supervisor {

// What can be told of a redirection.
struct InterceptionState {
  std::string backend;
  bool in_force = false;
  bool covers_ipv6 = true;
  std::string failure;  // why it is not in force
  std::vector<std::string> remarks;
};

// The sockets that clients' connections wait in, and the redirection that leads there: neither is of use
// without the other. What takes several steps is done one at a time, in the order of the calls.
class Interception {
 public:
  // `inherited` from the service manager. `on_alarm` is called when keep_in_force() may have something to put
  // back.
  Interception(asio::io_context& io, std::vector<UniqueFd> inherited, std::function<void()> on_alarm);

  // Chooses the backend and opens the sockets; redirects nothing yet. After an error, what was prepared
  // before stays.
  asio::awaitable<Result<void>> prepare(const config::Config& config);
  [[nodiscard]] bool is_prepared() const {
    return !way_.listeners.empty();
  }

  // The sockets to accept from.
  [[nodiscard]] std::vector<int> sockets() const {
    return sockets_.to_serve(way_.listeners);
  }

  // Redirects, once somebody accepts; nothing changes where it does already.
  asio::awaitable<Result<void>> attach();
  [[nodiscard]] bool is_attached() const {
    return way_.redirection != nullptr;
  }

  // Puts back what somebody else has removed, and goes on with what remove_leftovers_of_others() could not
  // finish.
  asio::awaitable<void> keep_in_force();

  // Removes what earlier processes have left of other backends. Our way in is open by now: nobody has to wait
  // for it.
  asio::awaitable<void> remove_leftovers_of_others();

  // Opens the sockets that could not be had before, on a loopback address that is new. True: sockets() are
  // others now.
  asio::awaitable<bool> take_in_new_addresses();

  // Replaces the sockets that accept nobody any more, and leads callers to the new ones. Returns how many;
  // where any was, sockets() are others now.
  asio::awaitable<std::size_t> replace_dead_sockets();

  // Goes over to a changed configuration: the new way in is open before the old one closes. True: sockets()
  // are others now. After an error the old way stays.
  asio::awaitable<Result<bool>> reload(const config::Config& config);

  // Closes the sockets that are in sockets() no more, once somebody accepts from the others.
  void close_old_sockets() {
    sockets_.keep_only(way_.listeners);
  }

  // What is in force. While something is being done that takes longer than a second: as it was found last.
  asio::awaitable<InterceptionState> describe();

  // What the client whose socket has this cookie dialled, if only the redirection knows.
  [[nodiscard]] std::optional<SocketAddress> dialled_by(std::uint64_t cookie) const;

  // Ends it, so that nobody waits for a responder that cannot serve; prepare() and attach() begin anew. Who
  // comes before the redirection has gone is turned away.
  asio::awaitable<void> fail_open(std::string why);

  // Ends it for good, or leaves it to a successor. True: a successor will accept what comes from now on.
  asio::awaitable<bool> stop(bool for_good);

  // After stop() has left the redirection to a successor, and nobody of ours holds its sockets any more:
  // whoever passed them to us may have closed them, too. Then nobody would serve, and it is removed after
  // all. True: it was.
  asio::awaitable<bool> take_back_if_abandoned(const config::Config& config);

  // Undoes what an earlier process has handed over to us, who cannot serve: callers must not wait in sockets
  // that the service manager goes on holding. False: nothing was handed over.
  asio::awaitable<bool> give_back_inheritance(const config::Config& config);

  // Finds out whether a guard has removed by now what we could not. Asked regularly, and before removal().
  void look_after_guards();

  // Whether the redirection that ended last was removed; if not, its guard goes on trying.
  [[nodiscard]] const Result<void>& removal() const {
    return removal_;
  }

  [[nodiscard]] bool are_some_sockets_held_by_others() const {
    return sockets_.are_some_held_by_others();
  }

 private:
  // One way in. The redirection goes before the rest.
  struct Way {
    redirect::Plan plan;
    std::string backend;  // as configured
    std::unique_ptr<redirect::Redirector> redirector;
    std::vector<redirect::Listener> listeners;
    std::unique_ptr<redirect::Redirection> redirection;  // none before attach() and while failed open
  };

  [[nodiscard]] redirect::Plan plan_of(const config::Config& config) const;
  asio::awaitable<Result<Way>> plan_way(redirect::Plan plan, std::string backend);
  asio::awaitable<Result<void>> install(Way& way);
  asio::awaitable<Result<void>> go_over_to(Way way);
  asio::awaitable<Result<void>> go_over_to_present_sockets();
  asio::awaitable<Result<void>> check();
  asio::awaitable<void> detach();
  asio::awaitable<void> look();
  asio::awaitable<void> remove_leftovers();
  asio::awaitable<void> turn_callers_away();
  static asio::awaitable<void> let_connections_through(redirect::Plan plan);
  void listen_for_alarm();
  asio::awaitable<void> pass_on(std::shared_ptr<asio::posix::stream_descriptor> alarm) const;

  asio::io_context& io_;
  std::function<void()> on_alarm_;
  std::shared_ptr<asio::posix::stream_descriptor> alarm_;  // of the redirection that is in force
  AsyncMutex turn_;
  ListeningSockets sockets_;
  Way way_;
  std::string failure_ = "the responder has not started yet";  // why nothing is in force, as found last
  Result<void> removal_;
  Leavings leavings_;
  bool is_failing_open_ = false;
  ToldOnce refusals_;  // of backends
  ToldOnce repair_failure_;
  ToldOnce address_failure_;
};

}  // namespace msi2imds::supervisor
