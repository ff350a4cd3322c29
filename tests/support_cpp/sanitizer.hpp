// SPDX-License-Identifier: MIT
#pragma once

namespace msi2imds::support {

// The sanitizers' checks make pipes of their own: where a process may not, they report what is right.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MSI2IMDS_UNDER_SANITIZER 1
#endif
#endif
#ifdef MSI2IMDS_UNDER_SANITIZER
inline constexpr bool kSanitizersNeedPipes = true;
#else
inline constexpr bool kSanitizersNeedPipes = false;
#endif

}  // namespace msi2imds::support
