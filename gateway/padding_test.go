package gateway_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
)

// TestConfidentialMessagesHaveThreeSizes, whatever is in them and in their
// envelope, and are read as they were written.
func TestConfidentialMessagesHaveThreeSizes(t *testing.T) {
	const wide = "00000099000000001000"
	rapid.Check(t, func(t *rapid.T) {
		data, err := json.Marshal(map[string]string{"x": strings.Repeat("a", rapid.IntRange(0, gateway.MaxConfidential-8).Draw(t, "length"))})
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0)
		m := gateway.Message{
			ID: "019a3b1e-5c00-7000-8000-000000000001", Source: wide, Recipient: wide, Kind: gateway.KindSubjectRequest,
			Time: at, Expires: at.Add(gateway.Lifetime), Subject: rapid.StringMatching(`[a-z2-7<"]{1,64}`).Draw(t, "subject"),
			Sequence: rapid.Uint64Max(1<<59).Draw(t, "sequence"), Incarnation: rapid.Uint64Max(1<<59).Draw(t, "incarnation"),
			Principal: wide, TraceParent: strings.Repeat("0", 55), Data: data,
			Nonce: gateway.NonceOf([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "nonce"))),
		}
		b := m.Encode()
		if !m.Padded(len(b)) || !slices.Contains(gateway.PaddedSizes(), len(b)) {
			t.Fatalf("got %d bytes, want one of %v", len(b), gateway.PaddedSizes())
		}
		if !bytes.Equal(b, m.Encode()) {
			t.Error("the same message has other bytes the second time")
		}
		again, err := gateway.DecodeMessage(b)
		if err != nil || again.Nonce != m.Nonce || again.Subject != m.Subject || !bytes.Equal(again.Data, m.Data) {
			t.Errorf("got %+v, %v, want what was written", again, err)
		}
	})
}

func TestOnlyMessagesAboutPersonsAreConfidential(t *testing.T) {
	for _, kind := range []string{gateway.KindReferral, gateway.KindReferralState, gateway.KindHandover, gateway.KindSubjectRequest, gateway.KindSubjectAnswer} {
		if !gateway.Confidential(kind) {
			t.Errorf("%s: got open, want confidential", kind)
		}
	}
	for _, kind := range []string{gateway.KindCapacity, gateway.KindCapacityState, "", "referral.v2"} {
		if gateway.Confidential(kind) {
			t.Errorf("%s: got confidential, want open", kind)
		}
	}
	if m := (gateway.Message{}); m.Padded(gateway.LargestPadded) {
		t.Error("a message without nonce: got padded")
	}
}
