// SPDX-License-Identifier: MIT
#pragma once

namespace msi2imds {

// Gives the kernel back what was freed after a peak. Costs little where there was none.
void give_back_free_memory();

}  // namespace msi2imds
