package audit

import (
	"slices"
	"strconv"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// condition is what is said of one offer: of each property the value, or nothing
// where the offer is silent.
type condition struct {
	trajectsoort, grondslag, functionaliteit, location string
	doelgroepen                                        []string
	fase                                               gateway.Range
	allotment                                          string                 // none, own or sole, for everybody in whose name the recipient asks
	allotted                                           map[gateway.OIN]string // and for some otherwise
	asked                                              []string               // the properties that were given or asked
}

// Keys of conditions, as rules name them.
const (
	keyTrajectsoort    = "trajectsoort"
	keyGrondslag       = "grondslag"
	keyDoelgroep       = "doelgroep"
	keyFase            = "fase"
	keyLocation        = "location-gemeente"
	keyFunctionaliteit = "functionaliteit"
	keyAllotment       = "allotment"
	keyReferral        = "referral-state" // of messages about persons, not of offers
)

func conditionKeys() []string {
	return []string{keyTrajectsoort, keyGrondslag, keyFunctionaliteit, keyLocation, keyDoelgroep, keyFase, keyAllotment}
}

// examplesOf lists offers that are as given, one of each value, and silent on the
// rest.
func examplesOf(given map[string][]string) []condition {
	list := []condition{{}}
	for _, key := range conditionKeys() {
		if len(given[key]) == 0 {
			continue
		}
		var next []condition
		for _, c := range list {
			for _, v := range given[key] {
				d := c
				d.asked = slices.Clone(c.asked)
				d.set(key, []string{v})
				next = append(next, d)
			}
		}
		list = next
	}
	return list
}

// set says what a property is; no values are silence.
func (c *condition) set(key string, values []string) {
	c.asked = append(c.asked, key)
	first := ""
	if len(values) > 0 {
		first = values[0]
	}
	switch key {
	case keyTrajectsoort:
		c.trajectsoort = first
	case keyGrondslag:
		c.grondslag = first
	case keyFunctionaliteit:
		c.functionaliteit = first
	case keyLocation:
		c.location = first
	case keyDoelgroep:
		c.doelgroepen = values
	case keyFase:
		if len(values) > 0 {
			c.fase.Min, _ = strconv.Atoi(slices.Min(values))
			c.fase.Max, _ = strconv.Atoi(slices.Max(values))
		}
	case keyAllotment:
		c.allotment = first
	}
}

// allot gives the names of an aspect the states of an atom, each to one at least.
func (c *condition) allot(a *policy.Aspect, atom policy.Atom) {
	if c.allotted == nil {
		c.allotted = map[gateway.OIN]string{}
		c.asked = append(c.asked, keyAllotment)
	}
	for i, name := range a.Names {
		states := a.Groups[atom.Groups[min(i, len(atom.Groups)-1)]].Values
		c.allotted[name.Party] = states[len(states)-1] // sole, of a sole owner's own
	}
}

// offer makes an offer that is so, to the recipient.
func (c condition) offer(to gateway.Recipient) *gateway.Offer {
	o := &gateway.Offer{
		Trajectsoort: c.trajectsoort, Grondslag: c.grondslag, Functionaliteit: c.functionaliteit, Doelgroepen: c.doelgroepen,
		Fase: c.fase, Location: gateway.Location{Gemeente: gateway.Gemeente(c.location)},
	}
	if to.Public {
		return o
	}
	for _, name := range owners(to) {
		state, ok := c.allotted[name]
		if !ok {
			state = c.allotment
		}
		switch state {
		case "sole":
			o.Allotments = append(o.Allotments, gateway.Allotment{Parties: []gateway.OIN{name}})
		case "own":
			o.Allotments = append(o.Allotments, gateway.Allotment{Parties: []gateway.OIN{name, "another"}})
		}
	}
	return o
}

// owners are all in whose name a recipient may ask.
func owners(r gateway.Recipient) []gateway.OIN {
	all := []gateway.OIN{r.Party}
	for _, principal := range r.ActsFor {
		all = append(all, owners(principal)...)
	}
	return all
}

// suffix describes the condition, for a sentence about it.
func (c condition) suffix() string {
	var parts []string
	for _, key := range c.asked {
		if v := c.value(key); v != "" {
			parts = append(parts, key+" "+v)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (c condition) value(key string) string {
	switch key {
	case keyTrajectsoort:
		return c.trajectsoort
	case keyGrondslag:
		return c.grondslag
	case keyFunctionaliteit:
		return c.functionaliteit
	case keyLocation:
		return c.location
	case keyDoelgroep:
		return strings.Join(c.doelgroepen, "+")
	case keyFase:
		if c.fase.Min == c.fase.Max {
			return strings.TrimPrefix(strconv.Itoa(c.fase.Min), "0")
		}
		return strconv.Itoa(c.fase.Min) + "-" + strconv.Itoa(c.fase.Max)
	case keyAllotment:
		if c.allotted == nil {
			return c.allotment
		}
		var states []string
		for _, state := range c.allotted {
			states = append(states, state)
		}
		slices.Sort(states)
		return strings.Join(slices.Compact(states), "+")
	}
	return ""
}
