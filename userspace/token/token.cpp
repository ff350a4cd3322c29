// SPDX-License-Identifier: MIT
#include "token/token.hpp"

namespace msi2imds::token {

std::string_view key_of(SelectorKind kind) {
  switch (kind) {
    case SelectorKind::none:
      break;
    case SelectorKind::client_id:
      return kSelectorKeys[0];
    case SelectorKind::object_id:
      return kSelectorKeys[1];
    case SelectorKind::resource_id:
      return kSelectorKeys[2];
  }
  return "";
}

SelectorKind selector_kind_of(std::string_view key) {
  for (const SelectorKind kind :
       {SelectorKind::client_id, SelectorKind::object_id, SelectorKind::resource_id}) {
    if (key == key_of(kind)) {
      return kind;
    }
  }
  return SelectorKind::none;
}

}  // namespace msi2imds::token
