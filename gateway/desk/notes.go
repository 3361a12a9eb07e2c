package desk

import (
	"fmt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// notes tell why messages wait for a party that can be reached.
func notes(name string, p store.PeerStatus) []string {
	var all []string
	if p.Later == gateway.ReasonOverload && p.Queued > 0 {
		all = append(all, fmt.Sprintf("%s has no room for more of what we send: %s", name, waiting(p.Queued)))
	}
	return all
}

func waiting(n int) string {
	if n == 1 {
		return "1 message waits"
	}
	return fmt.Sprintf("%d messages wait", n)
}
