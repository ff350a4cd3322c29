// SPDX-License-Identifier: MIT
#include "confinement/system_call_filter.hpp"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>

#include <cerrno>
#include <vector>

namespace msi2imds::confinement {
namespace {

// A kernel that has filters looks for one at the address, before anything else (seccomp(2)).
bool kernel_lacks_filters() {
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) != 0 &&
         (errno == EINVAL || errno == ENOSYS);
}

}  // namespace

void SystemCallFilter::Deleter::operator()(void* filter) const noexcept {
  seccomp_release(filter);
}

SystemCallFilter::SystemCallFilter() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
  err_ = filter_ ? 0 : ENOMEM;
}

SystemCallFilter::~SystemCallFilter() = default;

void SystemCallFilter::allow(std::initializer_list<int> calls) {
  for (const int call : calls) {
    allow_if(call, {});
  }
}

void SystemCallFilter::allow_if(int call, std::initializer_list<Argument> arguments) {
  if (err_ != 0) {
    return;
  }
  std::vector<scmp_arg_cmp> comparisons;
  for (const Argument& argument : arguments) {
    comparisons.push_back({.arg = argument.index,
                           .op = SCMP_CMP_MASKED_EQ,
                           .datum_a = argument.mask,
                           .datum_b = argument.value});
  }
  err_ = -seccomp_rule_add_array(filter_.get(), SCMP_ACT_ALLOW, call,
                                 static_cast<unsigned>(comparisons.size()), comparisons.data());
}

Result<bool> SystemCallFilter::enforce() {
  if (kernel_lacks_filters()) {
    return false;
  }
  if (err_ == 0) {
    err_ = -seccomp_load(filter_.get());
  }
  if (err_ != 0) {
    return Error::from_errno(err_, "put the system call filter in force");
  }
  return true;
}

}  // namespace msi2imds::confinement
