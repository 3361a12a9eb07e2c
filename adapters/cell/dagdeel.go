package cell

import (
	"regexp"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

var (
	rangeWords = regexp.MustCompile(`\bt/m\b|\btot en met\b|\btm\b|[–—]`)
	halfDay    = regexp.MustCompile(`^(maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|ma|di|wo|do|vr|za|zo)-?(ochtend|middag|avond)(?:en|s)?$`)
	dayToDay   = regexp.MustCompile(`\b(maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|ma|di|wo|do|vr|za|zo) ?- ?(maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|ma|di|wo|do|vr|za|zo)\b`)
)

// Dagdelen reads a text such as "ma-ochtend", "maandagmiddag", "ma t/m vr
// ochtend en middag" or "werkdagen hele dag, za ochtend". Days come before the
// parts that they have. The result is in the order of the week; false if a word
// is not understood, something is missing or a dagdeel is named twice.
func Dagdelen(s string) ([]gateway.Dagdeel, bool) {
	week := gateway.Dagdelen()
	var found []gateway.Dagdeel
	var days, parts []int
	flush := func() bool {
		for _, d := range days {
			for _, p := range parts {
				found = append(found, week[3*d+p])
			}
		}
		complete := len(days) > 0 && len(parts) > 0
		days, parts = nil, nil
		return complete
	}
	upTo := false
	for _, w := range dagdeelWords(s) {
		switch {
		case !w.known:
			return nil, false
		case w.upTo:
			if upTo || len(days)+len(parts) == 0 {
				return nil, false
			}
			upTo = true
			continue
		}
		if len(w.days) > 0 && len(parts) > 0 && !flush() {
			return nil, false
		}
		ok := true
		if days, ok = join(days, w.days, upTo && len(w.days) > 0); !ok {
			return nil, false
		}
		if parts, ok = join(parts, w.parts, upTo && len(w.days) == 0); !ok {
			return nil, false
		}
		upTo = false
	}
	if upTo || !flush() {
		return nil, false
	}
	slices.SortFunc(found, gateway.CompareDagdeel)
	unique := len(slices.Compact(slices.Clone(found))) == len(found)
	return found, unique
}

// join adds more to list; with upTo also everything between.
func join(list, more []int, upTo bool) ([]int, bool) {
	if !upTo {
		return append(list, more...), true
	}
	if len(list) == 0 || len(more) != 1 || list[len(list)-1] >= more[0] {
		return nil, false
	}
	for n := list[len(list)-1] + 1; n <= more[0]; n++ {
		list = append(list, n)
	}
	return list, true
}

// A text of dagdelen is read as words. A word stands for one or more places in
// the week (0–6) or in the day (0–2), or joins its neighbours.
type word struct {
	days, parts []int
	upTo        bool // "t/m"
	known       bool
}

func dagdeelWords(s string) []word {
	s = Normal(s)
	s = dayToDay.ReplaceAllString(s, "$1 t/m $2")
	s = rangeWords.ReplaceAllString(s, " > ")
	s = strings.NewReplacer("hele dagen", "heledag", "hele dag", "heledag", "alle dagdelen", "alledelen", "alle dagen", "dagelijks",
		"elke dag", "dagelijks", "'s ", " ", "’s ", " ").Replace(s)
	var words []word
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,;/|+&.:()", r) }) {
		if m := halfDay.FindStringSubmatch(w); m != nil {
			words = append(words, wordOf(m[1]), wordOf(m[2]))
		} else if w = strings.Trim(w, "-"); w != "" && w != "en" {
			words = append(words, wordOf(w))
		}
	}
	return words
}

func wordOf(w string) word {
	day := func(d ...int) word { return word{days: d, known: true} }
	part := func(p ...int) word { return word{parts: p, known: true} }
	switch w {
	case ">":
		return word{upTo: true, known: true}
	case "ma", "maandag", "maandags", "maandagen":
		return day(0)
	case "di", "dinsdag", "dinsdags", "dinsdagen":
		return day(1)
	case "wo", "woensdag", "woensdags", "woensdagen":
		return day(2)
	case "do", "donderdag", "donderdags", "donderdagen":
		return day(3)
	case "vr", "vrijdag", "vrijdags", "vrijdagen":
		return day(4)
	case "za", "zaterdag", "zaterdags", "zaterdagen":
		return day(5)
	case "zo", "zondag", "zondags", "zondagen":
		return day(6)
	case "werkdagen", "doordeweeks", "werkdag":
		return day(0, 1, 2, 3, 4)
	case "weekend":
		return day(5, 6)
	case "dagelijks":
		return day(0, 1, 2, 3, 4, 5, 6)
	case "ochtend", "ochtends", "ochtenden", "och", "vm", "voormiddag":
		return part(0)
	case "middag", "middags", "middagen", "mid", "nm", "namiddag":
		return part(1)
	case "avond", "avonds", "avonden", "av":
		return part(2)
	case "heledag":
		return part(0, 1)
	case "alledelen":
		return part(0, 1, 2)
	}
	return word{}
}
