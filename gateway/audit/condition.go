package audit

import (
	"slices"
	"strconv"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// condition is one offer as far as a policy can tell it from others: of each
// property the value, or nothing where the offer is silent.
type condition struct {
	trajectsoort, grondslag, functionaliteit, location string
	doelgroepen                                        []string
	fase                                               gateway.Range
	allotment                                          string   // none, own or sole
	asked                                              []string // the properties that were given or asked
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
)

// conditionsOf lists offers that are as given. Without all they are silent on
// the rest. With all they are enough to find whatever any offer that is as given
// would show:
//   - of a property, the values that rules name, and one other of each data class;
//   - of doelgroepen and fase, one at a time besides what is given: with more of
//     them more never rules match, and of show rules one value is enough;
//   - allotments of everybody in whose name the recipient asks are alike: with
//     different ones again more never rules match.
//
// It gives nothing if there are more than maxCells.
func conditionsOf(given map[string][]string, asked policy.Asked, all bool, env policy.Env) []condition {
	list := []condition{{}}
	vary := func(key string, values []string, set func(*condition, string)) {
		if len(values) == 0 {
			return
		}
		if len(list)*len(values) > maxCells {
			list = nil
			return
		}
		note := len(given[key]) > 0 || len(asked.Values[key]) > 0
		next := make([]condition, 0, len(list)*len(values))
		for _, c := range list {
			for _, v := range values {
				d := c
				d.asked = slices.Clone(c.asked)
				set(&d, v)
				if note {
					d.asked = append(d.asked, key)
				}
				next = append(next, d)
			}
		}
		list = next
	}
	one := func(key, codes string, set func(*condition, string)) {
		values := given[key]
		if len(values) == 0 && all {
			values = apart(asked.Values[key], env.Lists[codes], env.Today)
		}
		vary(key, values, set)
	}
	one(keyTrajectsoort, "trajectsoort", func(c *condition, v string) { c.trajectsoort = v })
	one(keyGrondslag, "grondslag", func(c *condition, v string) { c.grondslag = v })
	one(keyFunctionaliteit, "functionaliteit", func(c *condition, v string) { c.functionaliteit = v })
	one(keyLocation, "gemeente", func(c *condition, v string) { c.location = v })
	vary(keyDoelgroep, doelgroepen(given[keyDoelgroep], asked.Values[keyDoelgroep], all, env), func(c *condition, v string) {
		c.doelgroepen = strings.Fields(v)
	})
	vary(keyFase, fases(given[keyFase], asked.Values[keyFase], all), func(c *condition, v string) {
		c.fase.Min, _ = strconv.Atoi(v[:1])
		c.fase.Max, _ = strconv.Atoi(v[len(v)-1:])
	})
	vary(keyAllotment, allotments(given[keyAllotment], asked.Values[keyAllotment], all), func(c *condition, v string) { c.allotment = v })
	return list
}

// apart are the values that rules name and one that they do not, of each data
// class that has one.
func apart(named []string, list gateway.CodeList, day gateway.Date) []string {
	values := slices.Clone(named)
	classes := map[gateway.DataClass]bool{}
	for _, c := range list.Codes {
		if !classes[c.Class] && day.Within(c.ValidFrom, c.ValidUntil) && !slices.Contains(named, c.Code) {
			classes[c.Class] = true
			values = append(values, c.Code)
		}
	}
	return values
}

// doelgroepen are sets of codes, with spaces between.
func doelgroepen(given, named []string, all bool, env policy.Env) []string {
	if !all {
		return given
	}
	others := []string{""}
	if len(named) > 0 {
		others = append(others, apart(named, env.Lists["doelgroep"], env.Today)...)
	}
	if len(given) == 0 {
		return others
	}
	var sets []string
	for _, g := range given {
		for _, o := range others {
			if o != g {
				sets = append(sets, strings.TrimSpace(g+" "+o))
			}
		}
	}
	return sets
}

// fases are ranges; "0" is none.
func fases(given, named []string, all bool) []string {
	if !all {
		return given
	}
	var ranges []string
	for _, r := range []string{"0", "1", "2", "3", "1-2", "2-3", "1-3"} {
		included := slices.ContainsFunc(given, func(g string) bool { return r != "0" && r[:1] <= g && g <= r[len(r)-1:] })
		if included || len(given) == 0 && (r == "0" || len(named) > 0 && len(r) == 1) {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

func allotments(given, named []string, all bool) []string {
	switch {
	case len(given) == 0 && (!all || len(named) == 0):
		return []string{"none"}
	case len(given) == 0:
		return []string{"none", "own", "sole"}
	case all && slices.Contains(given, "own") && !slices.Contains(given, "sole"):
		return append(slices.Clone(given), "sole") // which is an own one, too
	}
	return given
}

// offer makes an offer that is so, to the recipient.
func (c condition) offer(to gateway.Recipient) *gateway.Offer {
	o := &gateway.Offer{
		Trajectsoort: c.trajectsoort, Grondslag: c.grondslag, Functionaliteit: c.functionaliteit, Doelgroepen: c.doelgroepen,
		Fase: c.fase, Location: gateway.Location{Gemeente: gateway.Gemeente(c.location)},
	}
	if to.Public || c.allotment == "none" || c.allotment == "" {
		return o
	}
	if names := owners(to); c.allotment == "sole" {
		for _, name := range names {
			o.Allotments = append(o.Allotments, gateway.Allotment{Parties: []gateway.OIN{name}})
		}
	} else {
		o.Allotments = []gateway.Allotment{{Parties: append(names, "another")}}
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
		return c.allotment
	}
	return ""
}
