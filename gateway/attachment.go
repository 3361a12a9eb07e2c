package gateway

import (
	"slices"
	"strings"
)

// NoAttachments is what to do instead, for whoever wants to send a file along.
const NoAttachments = "attachments are not supported: say what matters in the fields that are there, or by telephone"

// MeansAttachment tells whether somebody who names a field or an option so wants to
// send a file along: that deserves more of an answer than that there is none.
func MeansAttachment(name string) bool {
	return slices.Contains([]string{"attach", "attachment", "attachments", "bijlage", "bijlagen"}, strings.ToLower(name))
}
