package store

import "github.com/doorstroom/doorstroom/gateway"

// shiftEvents are what there is to tell of a request about allotments when what is
// known of where it stands changes; before is the zero state of one that is new.
func shiftEvents(before, after gateway.AllotmentState) (kinds []gateway.EventType) {
	ended := after.Status != gateway.ShiftPending && after.Status != gateway.ShiftCommitted
	if before.Status == "" && after.Number > 0 && !ended {
		kinds = append(kinds, gateway.EventAllotmentProposed)
	}
	switch {
	case after.Status == "":
	case ended && before.Status != after.Status:
		kinds = append(kinds, gateway.EventAllotmentEnded)
	case after.Status == gateway.ShiftCommitted && before.Status != after.Status:
		kinds = append(kinds, gateway.EventAllotmentCommitted)
	case before.Status == gateway.ShiftPending && after.Status == gateway.ShiftPending && len(after.Signed) > len(before.Signed):
		kinds = append(kinds, gateway.EventAllotmentSigned)
	}
	return kinds
}

// shiftChanged tells of it to the programs of this organisation; party is the other
// one: who asks, or at who asks and who gives the provider.
func (t *txn) shiftChanged(party gateway.OIN, offer string, before, after gateway.AllotmentState) {
	for _, kind := range shiftEvents(before, after) {
		t.event(kind, after.ID, gateway.EventData{
			Party: party, Request: after.ID, Offer: offer, Number: after.Number, RequestStatus: after.Status, Count: len(after.Givers) - len(after.Signed),
		})
	}
}
