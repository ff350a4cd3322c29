// SPDX-License-Identifier: MIT
#include "responder/prefetch_list.hpp"

#include <algorithm>
#include <utility>

namespace msi2imds::responder {

std::vector<token::TokenRequest> prefetch_list(const usage::Grants& grants,
                                               const policy::IdentityChoice& identities,
                                               const policy::Policy& policy, std::int64_t now) {
  std::vector<token::TokenRequest> requests;
  for (const usage::Grant* grant : grants.latest_first(now)) {
    token::TokenRequest request;
    request.resource = grant->resource;
    request.identity = grant->named;
    policy::Choice choice = identities.choose(grant->caller, request);
    request.identity = std::move(choice.identity);
    const bool gets_one = choice.by != policy::ChosenBy::nobody &&
                          (!policy.enforces() || policy.decide(grant->caller, request).is_allowed);
    if (gets_one && std::ranges::find(requests, request) == requests.end()) {
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

}  // namespace msi2imds::responder
