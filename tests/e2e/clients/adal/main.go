// SPDX-License-Identifier: MIT

// Prints the token that go-autorest gets: adal-client ENDPOINT RESOURCE [SELECTOR VALUE]
// An empty ENDPOINT leaves the choice to MSI_ENDPOINT of the environment.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/Azure/go-autorest/autorest/adal"
)

func newToken(endpoint, resource string, selector []string) (*adal.ServicePrincipalToken, error) {
	if len(selector) == 0 {
		return adal.NewServicePrincipalTokenFromMSI(endpoint, resource)
	}
	switch selector[0] {
	case "client_id":
		return adal.NewServicePrincipalTokenFromMSIWithUserAssignedID(endpoint, resource, selector[1])
	case "msi_res_id":
		return adal.NewServicePrincipalTokenFromMSIWithIdentityResourceID(endpoint, resource, selector[1])
	}
	return nil, fmt.Errorf("go-autorest knows no %q", selector[0])
}

func main() {
	token, err := newToken(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		log.Fatal(err)
	}
	if err := token.Refresh(); err != nil {
		log.Fatal(err)
	}
	reply := map[string]string{"access_token": token.OAuthToken()}
	if err := json.NewEncoder(os.Stdout).Encode(reply); err != nil {
		log.Fatal(err)
	}
}
