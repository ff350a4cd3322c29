// SPDX-License-Identifier: MIT
#include "imds/history.hpp"

namespace msi2imds::imds {

void History::add(const token::TokenRequest& request, unsigned status) {
  if (!first_) {
    first_ = request;
  }
  one_identity_ = one_identity_ && request.identity == first_->identity;
  one_question_ = one_question_ && one_identity_ && request.resource == first_->resource;
  only_tokens_ = only_tokens_ && status == 200;
}

bool History::suits(const token::TokenRequest& request) const {
  if (!first_) {
    return true;
  }
  const bool is_same_identity = one_identity_ && request.identity == first_->identity;
  if (one_question_ && is_same_identity && request.resource == first_->resource) {
    return true;
  }
  return only_tokens_ && (is_same_identity || request.identity.kind == token::SelectorKind::client_id);
}

}  // namespace msi2imds::imds
