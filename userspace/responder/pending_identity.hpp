// SPDX-License-Identifier: MIT
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/socket_address.hpp"
#include "caller/caller.hpp"
#include "caller/identity.hpp"

namespace msi2imds::responder {

// How much has to be known of a caller for its request.
enum class Need : std::uint8_t {
  nothing,    // whatever is known will do
  agreement,  // whether the socket's user is the caller's
  process,    // everything, found out anew for this request
};

// What is being found out about the caller at the other end of a connection.
class PendingIdentity
    : public std::enable_shared_from_this<PendingIdentity>,
      public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  explicit PendingIdentity(caller::Caller caller) : caller_(std::move(caller)) {}
  // Of a caller who is known already.
  PendingIdentity(std::shared_ptr<const caller::Identity> identity, const SocketAddress& dialled)
      : agreement_(caller::Agreement::agreed), identity_(std::move(identity)), dialled_(dialled) {}

  // Nothing, until the lookup is over.
  [[nodiscard]] const caller::Identity* identity() const {
    return identity_.get();
  }
  [[nodiscard]] const std::shared_ptr<const caller::Identity>& shared_identity() const {
    return identity_;
  }
  // Whether the clues agree; nothing, until that is known. Only where it was asked for.
  [[nodiscard]] std::optional<caller::Agreement> agreement() const {
    return agreement_;
  }
  // It was ended early: less is known of the caller than could be.
  [[nodiscard]] bool was_given_up() const {
    return was_given_up_;
  }
  // What the client dialled, where only the redirection knows it.
  [[nodiscard]] const std::optional<SocketAddress>& dialled() const {
    return dialled_;
  }

  // Calls `next` when the lookup is over: at once, if it is.
  void then(std::function<void()> next);
  // Calls `next` when the agreement is known, or the lookup is over.
  void then_agreement(std::function<void()> next);

 private:
  friend class IdentityBook;
  void set_agreement(caller::Agreement agreement);
  void finish(std::shared_ptr<const caller::Identity> identity, std::optional<SocketAddress> dialled);

  caller::Caller caller_;
  std::unique_ptr<const caller::Clues> seen_;  // by which he is to be known again
  bool was_given_up_ = false;
  std::optional<caller::Agreement> agreement_;
  std::shared_ptr<const caller::Identity> identity_;
  std::optional<SocketAddress> dialled_;
  std::vector<std::function<void()>> waiting_;
  std::vector<std::function<void()>> waiting_for_agreement_;
};
using PendingIdentityPtr = std::shared_ptr<PendingIdentity>;

}  // namespace msi2imds::responder
