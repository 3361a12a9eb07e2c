// Package gateway is the domain of Doorstroom: the parties of a region, the
// offers of leerwerkbedrijven, what others may see of them, and the messages
// and receipts by which they travel. It holds values, state machines and pure
// rules: no I/O, no goroutine, nothing but the standard library. Everything
// else in this repository imports it, and it imports nothing of ours.
//
// Read party.go, offer.go and capacity.go first: an Offer is what its provider
// knows, a Capacity is what one recipient may see of it, and Project makes the
// second from the first.
package gateway
