package guard

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// A chain is digits as people write one number, or several behind each other:
// groups with little between them.
type chain struct {
	groups []string
	seps   []string // between each two: the one sign that stands there; " " for only spaces and brackets
	plus   bool     // a plus sign stands before it
}

const (
	sepChars  = " -./_,()"
	maxSep    = 4
	mixedSign = "mixed"
)

var (
	groupPattern = regexp.MustCompile(`[0-9]+`)
	// accountPattern is what is written like a Dutch bank account, right or not:
	// the ten digits at its end are no telephone number.
	accountPattern = regexp.MustCompile(`(?i)[a-z]{2}[0-9]{2}[ .-]?[a-z]{4}(?:[ .-]?[0-9]){10}`)
)

// numbers tells whether a flat text has telephone numbers or what looks like a
// BSN. The digits of a telephone number are not looked at as a BSN.
func numbers(flat string) (phone, bsn bool) {
	for _, c := range chains(accountPattern.ReplaceAllString(flat, "\n")) {
		taken := c.phones()
		phone = phone || slices.Contains(taken, true)
		bsn = bsn || c.bsn(taken)
	}
	return phone, bsn
}

func chains(flat string) []chain {
	var all []chain
	end := -1
	for _, at := range groupPattern.FindAllStringIndex(flat, -1) {
		group := flat[at[0]:at[1]]
		if sep, ok := signOf(flat[max(0, end):at[0]]); ok && end >= 0 {
			last := &all[len(all)-1]
			last.groups, last.seps = append(last.groups, group), append(last.seps, sep)
		} else {
			before := strings.TrimRight(flat[:at[0]], " (")
			all = append(all, chain{groups: []string{group}, plus: strings.HasSuffix(before, "+")})
		}
		end = at[1]
	}
	return all
}

// signOf says what stands between two groups; false when they are two numbers. A
// comma with a space makes a list of numbers, not one.
func signOf(between string) (string, bool) {
	if between == "" || len(between) > maxSep || strings.Trim(between, sepChars) != "" {
		return "", false
	}
	signs := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ()", r) {
			return -1
		}
		return r
	}, between)
	switch {
	case signs == "":
		return " ", true
	case strings.Contains(signs, ",") && len(between) > 1:
		return "", false
	case strings.Trim(signs, signs[:1]) == "":
		return signs[:1], true
	}
	return mixedSign, true
}

// same tells whether the signs between groups i to j are all the same.
func (c chain) same(i, j int) bool {
	for k := i; k < j; k++ {
		if c.seps[k] != c.seps[i] || c.seps[k] == mixedSign {
			return false
		}
	}
	return true
}

func (c chain) joined(i, j int) string { return strings.Join(c.groups[i:j+1], "") }

// windows calls f with every stretch of groups that has at most limit digits.
func (c chain) windows(limit int, f func(i, j int, digits string)) {
	for i := range c.groups {
		n := 0
		for j := i; j < len(c.groups); j++ {
			if n += len(c.groups[j]); n > limit {
				break
			}
			f(i, j, c.joined(i, j))
		}
	}
}

var (
	abroadPattern = regexp.MustCompile(`^(00[1-9]|310?6[1-58][0-9]{7}$)`)
	mobilePattern = regexp.MustCompile(`^06[1-58]`)
	fixedPattern  = regexp.MustCompile(`^0[1-9]`)
)

// phones says of each group whether it is of a telephone number.
func (c chain) phones() []bool {
	taken := make([]bool, len(c.groups))
	c.windows(15, func(i, j int, digits string) {
		if c.abroad(i, digits) || c.national(i, j, digits) {
			for k := i; k <= j; k++ {
				taken[k] = true
			}
		}
	})
	return taken
}

// abroad: with a country code; that of Dutch mobile numbers also without + or 00.
func (c chain) abroad(i int, digits string) bool {
	if i == 0 && c.plus {
		return len(digits) >= 9 && digits[0] != '0'
	}
	return len(digits) >= 11 && abroadPattern.MatchString(digits) && (len(c.groups[i]) >= 4 || c.groups[i] == "31")
}

// national: ten digits from 0. After the first group there is one kind of sign
// only, as there is not in hours and dates behind each other.
func (c chain) national(i, j int, digits string) bool {
	if len(digits) != 10 || !fixedPattern.MatchString(digits) {
		return false
	}
	if j > i && !c.same(i+1, j) {
		return false
	}
	return len(c.groups[i]) >= 3 || len(c.groups[i]) == 2 && mobilePattern.MatchString(digits)
}

// bsn tells whether a chain hides a burgerservicenummer: nine digits in groups
// with one kind of sign between them; or eight, for the zero that programs drop,
// in one group or as a whole chain.
func (c chain) bsn(phone []bool) bool {
	found := false
	c.windows(9, func(i, j int, digits string) {
		one := i == j
		switch {
		case found || !c.same(i, j):
		case slices.Contains(phone[i:j+1], true):
		case len(digits) == 9:
			found = elfproef(digits)
		case len(digits) == 8:
			whole := i == 0 && j == len(c.groups)-1
			years := j == i+1 && isYear(c.groups[i]) && isYear(c.groups[j])
			found = (one || whole) && !years && !isDate(digits) && elfproef("0"+digits)
		}
	})
	return found
}

// isDate: eight digits that are a day of the last or of this century.
func isDate(digits string) bool {
	for _, layout := range []string{"02012006", "20060102"} {
		if t, err := time.Parse(layout, digits); err == nil && isYear(t.Format("2006")) {
			return true
		}
	}
	return false
}

func isYear(s string) bool { return len(s) == 4 && (s[:2] == "19" || s[:2] == "20") }

// elfproef is 9·d1 + 8·d2 + … + 2·d8 − d9 ≡ 0 (mod 11), for nine digits that are
// not all zero.
func elfproef(digits string) bool {
	if strings.Trim(digits, "0") == "" {
		return false
	}
	sum := -int(digits[8] - '0')
	for i := range 8 {
		sum += (9 - i) * int(digits[i]-'0')
	}
	return sum%11 == 0
}
