// SPDX-License-Identifier: MIT

// Asks for tokens with Debian's go-autorest, until stdin ends: adal_loop-client RESOURCE RATE
// The endpoint is MSI_ENDPOINT's. What it prints is told in the package asking.
package main

import (
	"context"
	"log"
	"os"
	"strconv"
	"time"

	"../asking"
	"github.com/Azure/go-autorest/autorest/adal"
)

const patience = 10 * time.Second

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: adal_loop-client RESOURCE RATE")
	}
	resource := os.Args[1]
	rate, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	asking.UntilStdinEnds(rate, func() (string, error) {
		token, err := adal.NewServicePrincipalTokenFromMSI("", resource)
		if err != nil {
			return "", err
		}
		// It would try a request that failed again, so that nobody noticed.
		token.MaxMSIRefreshAttempts = 1
		limited, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := token.RefreshWithContext(limited); err != nil {
			return "", err
		}
		return token.OAuthToken(), nil
	})
}
