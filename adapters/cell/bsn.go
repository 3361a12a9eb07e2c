package cell

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

var (
	digitRun   = regexp.MustCompile(`\+?[0-9](?:[ .\-/()]{0,3}[0-9])*`)
	digitGroup = regexp.MustCompile(`[0-9]+`)
)

// LooksLikeBSN tells whether somebody may have put a burgerservicenummer in a
// text: nine digits, perhaps in groups ("1234.56.782"), that pass the elfproef,
// or eight in one piece that pass it with the zero that programs drop. About
// one in eleven other numbers passes too. Telephone numbers of ten digits, or
// with a country code, are let through.
func LooksLikeBSN(s string) bool {
	s = strings.ReplaceAll(norm.NFKC.String(s), "\u2010", "-") // full-width digits, no-break spaces and hyphens
	return slices.ContainsFunc(digitRun.FindAllString(s, -1), runHidesBSN)
}

func runHidesBSN(run string) bool {
	groups := digitGroup.FindAllString(run, -1)
	digits := strings.Join(groups, "")
	abroad := run[0] == '+' || strings.HasPrefix(digits, "00")
	if abroad && len(digits) >= 11 && len(digits) <= 15 {
		return false
	}
	if len(groups) == 1 && len(digits) == 8 && elfproef("0"+digits) {
		return true
	}
	national := len(digits) == 10 && digits[0] == '0'
	for i := range groups {
		joined := ""
		for _, g := range groups[i:] {
			joined += g
			if len(joined) >= 9 {
				break
			}
		}
		if elfproef(joined) && (!national || len(groups[i]) == 9) {
			return true
		}
	}
	return false
}

// elfproef is 9·d1 + 8·d2 + … + 2·d8 − d9 ≡ 0 (mod 11) for nine digits that are
// not all zero.
func elfproef(digits string) bool {
	if len(digits) != 9 || strings.Trim(digits, "0") == "" {
		return false
	}
	sum := -int(digits[8] - '0')
	for i := range 8 {
		sum += (9 - i) * int(digits[i]-'0')
	}
	return sum%11 == 0
}

// HasControls tells whether a text holds line breaks or other characters that
// do not show, such as those that turn the direction of writing.
func HasControls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || r == unicode.ReplacementChar
	})
}
