// SPDX-License-Identifier: MIT
#include "kernel/namespace.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <fstream>
#include <string_view>

#include "base/unique_fd.hpp"

namespace msi2imds::kernel {
namespace {

ifreq request_for(std::string_view interface) {
  ifreq request{};
  interface.copy(static_cast<char*>(request.ifr_name), sizeof request.ifr_name - 1);
  return request;
}

ifreq request_for(std::string_view interface, const std::string& address) {
  ifreq request = request_for(interface);
  auto& v4 = reinterpret_cast<sockaddr_in&>(request.ifr_addr);
  v4.sin_family = AF_INET;
  (void)::inet_pton(AF_INET, address.c_str(), &v4.sin_addr);
  return request;
}

}  // namespace

void reserve_ports(const char* ports) {
  std::ofstream("/proc/sys/net/ipv4/ip_local_reserved_ports") << ports << std::endl;
}

Result<void> enter_new_network_namespace() {
  if (::unshare(CLONE_NEWNET) != 0) {
    return Error::from_errno(errno, "make a network namespace");
  }
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq up = request_for("lo");
  up.ifr_flags = IFF_UP | IFF_RUNNING;
  ifreq address = request_for("lo:1", kNicAddress);
  ifreq mask = request_for("lo:1", "255.255.255.255");
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &up) != 0 || ::ioctl(socket.get(), SIOCSIFADDR, &address) != 0 ||
      ::ioctl(socket.get(), SIOCSIFNETMASK, &mask) != 0) {
    return Error::from_errno(errno, "set up the loopback interface");
  }
  reserve_ports(kReservedPorts);
  return {};
}

}  // namespace msi2imds::kernel
