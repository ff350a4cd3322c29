// SPDX-License-Identifier: MIT
#include "loader/libbpf.hpp"

#include <bpf/bpf.h>
#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "base/log.hpp"

namespace msi2imds::loader {
namespace {

// The common prefix of our programs' names, of which the kernel keeps 15 characters.
constexpr std::string_view kOurPrefix = "msi2imds_";

// Debug only: failures are returned to us as well, and libbpf only adds detail.
int log_message(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG || !log::enabled(log::Level::debug)) {
    return 0;
  }
  std::array<char, 512> line{};
  const int size = std::vsnprintf(line.data(), line.size(), format, arguments);
  std::string_view text(line.data());
  while (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  log::debug("{}", text);
  return size;
}

}  // namespace

std::uint32_t id_of(int program) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  return bpf_obj_get_info_by_fd(program, &info, &size) == 0 ? info.id : 0;
}

bool is_our_program(int program) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  return program >= 0 && bpf_obj_get_info_by_fd(program, &info, &size) == 0 &&
         std::string_view(info.name).starts_with(kOurPrefix);
}

bool describe(const bpf_link& link, bpf_link_info& info) {
  info = {};
  std::uint32_t size = sizeof info;
  return bpf_obj_get_info_by_fd(bpf_link__fd(&link), &info, &size) == 0;
}

void prepare_libbpf() {
  static const bool prepared = [] {
    (void)libbpf_set_print(log_message);
    rlimit unlimited{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    (void)::setrlimit(RLIMIT_MEMLOCK, &unlimited);  // newer kernels do not need it
    return true;
  }();
  (void)prepared;
}

}  // namespace msi2imds::loader
