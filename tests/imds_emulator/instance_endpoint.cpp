// SPDX-License-Identifier: MIT
#include "imds_emulator/instance_endpoint.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string>

#include "imds_emulator/identities.hpp"
#include "imds_emulator/query.hpp"
#include "imds_emulator/question.hpp"
#include "imds_emulator/text.hpp"

namespace msi2imds::emulator {
namespace {

namespace json = boost::json;

json::object compute(const std::string& scale_set) {
  json::object out;
  out["azEnvironment"] = "AzurePublicCloud";
  out["location"] = "westeurope";
  out["name"] = std::string(kVmName);
  out["offer"] = "debian-12";
  out["osType"] = "Linux";
  out["placementGroupId"] = "";
  out["provider"] = "Microsoft.Compute";
  out["publisher"] = "Debian";
  out["resourceGroupName"] = std::string(kResourceGroup);
  out["resourceId"] = vm_resource_id();
  out["sku"] = "12-gen2";
  out["subscriptionId"] = std::string(kSubscriptionId);
  out["tags"] = "";
  out["version"] = "0.20230711.1438";
  out["vmId"] = derive_guid(kVmName);
  out["vmScaleSetName"] = scale_set;
  out["vmSize"] = "Standard_D2s_v5";
  out["zone"] = "1";
  return out;
}

bool names_api_version(const Request& request) {
  const auto parameters = parse_query(request.query());
  if (!parameters) {
    return false;
  }
  for (const Parameter& parameter : *parameters) {
    if (parameter.name == "api-version") {
      return is_known_api_version(parameter.value);
    }
  }
  return false;
}

}  // namespace

Reply answer_instance(const Request& request, const std::string& scale_set) {
  if (auto refusal = find_form_fault(request)) {
    return std::move(*refusal);
  }
  if (!names_api_version(request)) {
    return refuse_api_version("missing_api_version");
  }
  json::object document;
  document["compute"] = compute(scale_set);
  Reply reply;
  reply.body = json::serialize(document);
  return reply;
}

}  // namespace msi2imds::emulator
