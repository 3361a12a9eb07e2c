package desk

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// notes tell that a party is run by one person, that it is closed today, what it cannot take yet if it can
// be reached, and how many messages wait for that.
func (d *Desk) notes(name string, p store.PeerStatus, now time.Time) []string {
	var all []string
	if p.Hello.Approval() == string(approval.OnePerson) {
		all = append(all, name+" has one person who decides what it shows; what widens that waits 72 hours there")
	}
	for _, c := range p.Hello.Closed() {
		if gateway.DateOf(now).Within(c.From, c.Until) {
			all = append(all, fmt.Sprintf("%s is closed until %s", name, c.Until))
		}
	}
	if p.Later == gateway.ReasonOverload && p.Queued > 0 {
		all = append(all, fmt.Sprintf("%s has no room for more of what we send: %s", name, waiting(p.Queued)))
	}
	switch {
	case p.Confidential > 0 && d.cannotRead(p.OIN):
		all = append(all, fmt.Sprintf("%s has no encryption key in the register, so nothing about persons can be sent: %s", name, waiting(p.Confidential)))
	case p.Later == gateway.ReasonUnreadable && p.Confidential > 0:
		all = append(all, fmt.Sprintf("%s cannot read what we send about persons, its key is another than the register says: %s", name, waiting(p.Confidential)))
	}
	switch lacks := d.lacks(p); {
	case lacks != "":
		all = append(all, fmt.Sprintf("%s %s: %s", name, lacks, waiting(p.Held+p.Queued)))
	case p.Held > 0:
		all = append(all, fmt.Sprintf("%s does not take some of what we send: %s", name, waiting(p.Held)))
	}
	return all
}

// cannotRead tells whether the register has no good key to encrypt to a party.
func (d *Desk) cannotRead(oin gateway.OIN) bool {
	reg := d.Rules().Register
	if reg == nil {
		return false
	}
	p, ok := reg.Party(oin)
	return ok && (p.Encryption == nil || p.Encryption.Compromised)
}

// lacks says what a peer's hello lacks of what this node sends; "" if it has not
// said hello, or knows everything. That it does not want some kind from us is told
// only when it keeps something waiting: most policies admit few.
func (d *Desk) lacks(p store.PeerStatus) string {
	h := p.Hello
	if h == nil {
		return ""
	}
	if !slices.ContainsFunc(h.Protocol, func(v int) bool { return slices.Contains(d.Protocols, v) }) {
		return fmt.Sprintf("speaks protocol %s and we speak %s", numbers(h.Protocol), numbers(d.Protocols))
	}
	var parts, kinds, lists []string
	for _, kind := range d.Schema.Kinds() {
		if p.Held > 0 && !slices.Contains(h.Kinds, kind) && (p.Confidential > 0 || !gateway.Confidential(kind)) {
			kinds = append(kinds, kind)
		}
	}
	ours := d.Schema.Versions()
	for _, list := range slices.Sorted(maps.Keys(ours)) {
		if gateway.Newer(ours[list], h.CodeLists[list]) {
			lists = append(lists, list+" "+ours[list])
		}
	}
	if len(kinds) > 0 {
		parts = append(parts, "does not take messages of kind "+strings.Join(kinds, ", "))
	}
	if len(lists) > 0 {
		parts = append(parts, fmt.Sprintf("does not know code list%s %s yet", plural(len(lists)), strings.Join(lists, ", ")))
	}
	return strings.Join(parts, " and ")
}

func numbers(versions []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(versions), "[]"), " ", ", ")
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func waiting(n int) string {
	switch n {
	case 0:
		return "nothing waits for it"
	case 1:
		return "1 message waits"
	}
	return fmt.Sprintf("%d messages wait", n)
}
