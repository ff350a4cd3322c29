// SPDX-License-Identifier: MIT

// Asks for tokens as go-autorest 8.4 did, again and again until stdin ends: autorest8-client DISCOVERY_FILE RATE
// What it prints is told in the package asking.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"../asking"
)

const resource = "https://management.azure.com/"

// The library had strings alone: a number in the reply is an error.
type token struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    string `json:"expires_in"`
	ExpiresOn    string `json:"expires_on"`
	NotBefore    string `json:"not_before"`
	Resource     string `json:"resource"`
	Type         string `json:"token_type"`
}

func readEndpoint(discoveryFile string) (string, error) {
	content, err := os.ReadFile(discoveryFile)
	if err != nil {
		return "", err
	}
	settings := struct {
		URL string `json:"url"`
	}{}
	if err := json.Unmarshal(content, &settings); err != nil {
		return "", err
	}
	return settings.URL + "/oauth2/token?api-version=1.0", nil
}

func newRequest(endpoint string) (*http.Request, error) {
	form := url.Values{"client_id": {""}, "grant_type": {"client_credentials"}, "resource": {resource}}
	request, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Metadata", "true")
	return request, nil
}

func fetchToken(endpoint string) (*token, error) {
	request, err := newRequest(endpoint)
	if err != nil {
		return nil, err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return nil, err
	}
	if reply.StatusCode != http.StatusOK {
		return nil, errors.New("status " + strconv.Itoa(reply.StatusCode))
	}
	var fetched token
	if err := json.Unmarshal(body, &fetched); err != nil {
		return nil, errors.New("the reply is no token")
	}
	return &fetched, nil
}

// The library looked the endpoint up when a program made a credential, and asked there from then on.
type credential struct {
	discoveryFile string
	endpoint      string
	uses          int
}

const usesOfACredential = 50

func (c *credential) ask() (string, error) {
	if c.uses%usesOfACredential == 0 {
		endpoint, err := readEndpoint(c.discoveryFile)
		if err != nil {
			return "", err
		}
		c.endpoint = endpoint
	}
	c.uses++
	fetched, err := fetchToken(c.endpoint)
	if err != nil {
		return "", err
	}
	return fetched.AccessToken, nil
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: autorest8-client DISCOVERY_FILE RATE")
	}
	rate, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	client := credential{discoveryFile: os.Args[1]}
	asking.UntilStdinEnds(rate, client.ask)
}
