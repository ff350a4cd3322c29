// SPDX-License-Identifier: MIT

// Asks for tokens as go-autorest 8.4 did, again and again until stdin ends: autorest8-client DISCOVERY_FILE RATE
// One line for each request: "ok WHO SECONDS BEGAN" or "failed REASON SECONDS BEGAN".
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
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

// Who made the token, by its claims.
func answeredBy(fetched *token) (string, error) {
	parts := strings.Split(fetched.AccessToken, ".")
	if len(parts) != 3 {
		return "", errors.New("the token is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", errors.New("the token's payload is not base64")
	}
	claims := struct {
		AnsweredBy string `json:"answered_by"`
	}{"msi2imds"}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", errors.New("the token's payload is not JSON")
	}
	return claims.AnsweredBy, nil
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
	return answeredBy(fetched)
}

func tellOutcome(who string, err error, began time.Time) {
	outcome := "ok " + who
	if err != nil {
		outcome = "failed " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	fmt.Printf("%s %.6f %.6f\n", outcome, time.Since(began).Seconds(), float64(began.UnixMicro())/1e6)
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: autorest8-client DISCOVERY_FILE RATE")
	}
	rate, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	client := credential{discoveryFile: os.Args[1]}
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			began := time.Now()
			who, err := client.ask()
			tellOutcome(who, err, began)
		}
	}
}
