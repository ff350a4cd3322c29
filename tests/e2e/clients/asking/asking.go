// SPDX-License-Identifier: MIT

// Package asking has what the Go clients share that ask for tokens again and again.
package asking

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// AnsweredBy tells who made a token, by its claims.
func AnsweredBy(token string) (string, error) {
	parts := strings.Split(token, ".")
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

func tellOutcome(who string, err error, began time.Time) {
	outcome := "ok " + who
	if err != nil {
		outcome = "failed " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	fmt.Printf("%s %.6f %.6f\n", outcome, time.Since(began).Seconds(), float64(began.UnixMicro())/1e6)
}

// UntilStdinEnds calls fetch, which returns a token, so many times a second.
// One line for each call: "ok WHO SECONDS BEGAN" or "failed REASON SECONDS BEGAN".
func UntilStdinEnds(rate int, fetch func() (string, error)) {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			began := time.Now()
			token, err := fetch()
			who := ""
			if err == nil {
				who, err = AnsweredBy(token)
			}
			tellOutcome(who, err, began)
		}
	}
}
