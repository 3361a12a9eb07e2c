// Package event tells programs of the own organisation what happened at a node:
// it posts each event, signed, to the webhooks of the configuration, in order and
// at least once. Use a Sender for that; the stream and the list of the same events
// are in rest.
package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Headers of a signed request, as Standard Webhooks 1.0.0 has them
// (standardwebhooks.com).
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"

	secretPrefix = "whsec_"
	leastSecret  = 24 // bytes
	mostSecret   = 64
)

// ParseSecret reads a secret as Standard Webhooks writes it: whsec_ and 24 to 64
// bytes in base64.
func ParseSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), secretPrefix)
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(secret) < leastSecret || len(secret) > mostSecret {
		return nil, gateway.Errorf(gateway.Invalid, "a secret of a webhook is whsec_ and 24 to 64 bytes in base64")
	}
	return secret, nil
}

// Sign is the value of webhook-signature: one signature for each secret, so that
// a receiver can go from one to the next.
func Sign(secrets [][]byte, id string, at time.Time, body []byte) string {
	var all []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}
