// SPDX-License-Identifier: MIT
#include "responder/pending_identity.hpp"

namespace msi2imds::responder {

void PendingIdentity::then(std::function<void()> next) {
  if (identity_) {
    next();
  } else {
    waiting_.push_back(std::move(next));
  }
}

void PendingIdentity::then_agreement(std::function<void()> next) {
  if (agreement_ || identity_) {
    next();
  } else {
    waiting_for_agreement_.push_back(std::move(next));
  }
}

void PendingIdentity::set_agreement(caller::Agreement agreement) {
  agreement_ = agreement;
  for (const auto& next : std::exchange(waiting_for_agreement_, {})) {
    next();
  }
}

void PendingIdentity::finish(std::shared_ptr<const caller::Identity> identity,
                             std::optional<SocketAddress> dialled) {
  if (identity_) {  // given up before the answer came
    return;
  }
  identity_ = std::move(identity);
  dialled_ = dialled;
  unlink();
  for (auto* waiting : {&waiting_for_agreement_, &waiting_}) {
    for (const auto& next : std::exchange(*waiting, {})) {
      next();
    }
  }
}

}  // namespace msi2imds::responder
