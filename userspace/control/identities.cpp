// SPDX-License-Identifier: MIT
#include "control/identities.hpp"

namespace msi2imds::control {

void IdentityAnswer::set_dialled(const SocketAddress& dialled) {
  if (dialled.size() <= address.size()) {
    std::memcpy(address.data(), dialled.get(), dialled.size());
    address_size = static_cast<std::uint8_t>(dialled.size());
  }
}

std::optional<SocketAddress> IdentityAnswer::dialled() const {
  if (address_size == 0 || address_size > address.size()) {
    return std::nullopt;
  }
  sockaddr_storage storage{};
  std::memcpy(&storage, address.data(), address_size);
  return SocketAddress::from_sockaddr(storage, address_size);
}

}  // namespace msi2imds::control
