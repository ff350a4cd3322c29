// SPDX-License-Identifier: MIT
#pragma once

#include "imds_emulator/reply.hpp"
#include "imds_emulator/request.hpp"

namespace msi2imds::emulator {

// /metadata/instance: what the VM is and what it is called.
[[nodiscard]] Reply answer_instance(const Request& request, const std::string& scale_set);

}  // namespace msi2imds::emulator
