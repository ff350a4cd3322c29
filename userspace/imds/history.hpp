// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "token/token.hpp"

namespace msi2imds::imds {

// What was asked over one connection. An upstream that answers one request twice, or late, answers the next
// one with what was meant for another: this says for which questions that would be found out.
class History {
 public:
  void add(const token::TokenRequest& request, unsigned status);

  // Whether the answer to any earlier request would be recognised as wrong for this one, or be right. A token
  // tells its resource and its client_id. Which identity belongs to another selector, or to none, it does not
  // tell, and of a refusal nobody knows to whom it was said.
  [[nodiscard]] bool suits(const token::TokenRequest& request) const;

  // Whether nothing but one question was ever asked.
  [[nodiscard]] bool is_of_one_question() const {
    return questions_.size() == 1;
  }

 private:
  std::vector<token::TokenRequest> questions_;  // different ones
  bool only_tokens_ = true;
};

}  // namespace msi2imds::imds
