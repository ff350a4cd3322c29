// SPDX-License-Identifier: MIT
#include "imds/history.hpp"

#include <algorithm>

#include "imds/match.hpp"

namespace msi2imds::imds {
namespace {

constexpr std::size_t kMostQuestions = 64;

bool is_same_question(const token::TokenRequest& one, const token::TokenRequest& other) {
  return one.identity == other.identity && one.resource == other.resource;
}

// Whether a token for `earlier` would be found out as the answer to `later`, or would be right for it.
bool can_be_told_apart(const token::TokenRequest& earlier, const token::TokenRequest& later) {
  const bool resource_tells = !is_same_resource(earlier.resource, later.resource);
  if (earlier.identity == later.identity) {
    return resource_tells;
  }
  if (later.identity.kind != token::SelectorKind::client_id) {
    return false;
  }
  // By another selector, the identity may have been the same.
  return earlier.identity.kind == token::SelectorKind::client_id || resource_tells ||
         earlier.resource == later.resource;
}

}  // namespace

void History::add(const token::TokenRequest& request, unsigned status) {
  const bool is_new = std::ranges::none_of(questions_, [&request](const token::TokenRequest& question) {
    return is_same_question(question, request);
  });
  if (is_new && questions_.size() <= kMostQuestions) {
    questions_.push_back(request);
  }
  only_tokens_ = only_tokens_ && status == 200;
}

bool History::suits(const token::TokenRequest& request) const {
  return questions_.size() <= kMostQuestions &&
         std::ranges::all_of(questions_, [&](const token::TokenRequest& question) {
           return is_same_question(question, request) ||
                  (only_tokens_ && can_be_told_apart(question, request));
         });
}

}  // namespace msi2imds::imds
