package guard

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// flatten writes a text with the plainest characters that look the same: digits
// of any script as 0 to 9, one kind of space, dash and dot, nothing that does not
// show. Lines stay apart.
func flatten(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r < unicode.MaxASCII && r >= ' ':
			return r
		case unicode.Is(unicode.Nd, r):
			return '0' + digit(r)
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Pd, r) || r == '\u2212' || r == '\u00AF':
			return '-'
		case strings.ContainsRune("\u00B7\u2022\u2219\u22C5\u3002\u30FB", r):
			return '.'
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Mn, unicode.Me):
			return -1
		}
		return r
	}, norm.NFKC.String(s))
}

// digit is the value of a decimal digit: every script has its ten in a row, from
// nought.
func digit(r rune) rune {
	for _, block := range unicode.Nd.R16 {
		if rune(block.Lo) <= r && r <= rune(block.Hi) {
			return (r - rune(block.Lo)) % 10
		}
	}
	for _, block := range unicode.Nd.R32 {
		if rune(block.Lo) <= r && r <= rune(block.Hi) {
			return (r - rune(block.Lo)) % 10
		}
	}
	return 0
}

// emailPattern has also the ways in which people write around the sign: (at),
// [dot], apenstaartje, punt.
var emailPattern = regexp.MustCompile(`(?i)[\pL\pN._%+'-]` +
	`(?: ?@ ?| ?[(\[{] ?(?:at|apenstaart(?:je)?) ?[)\]}] ?| apenstaart(?:je)? )` +
	`[\pL\pN-]+(?:(?:\.| ?[(\[{] ?(?:dot|punt) ?[)\]}] ?| (?:dot|punt) )[\pL\pN-]+)*` +
	`(?:\.| ?[(\[{] ?(?:dot|punt) ?[)\]}] ?| (?:dot|punt) )\pL\pL`)

func hasEmail(flat string) bool { return emailPattern.MatchString(flat) }

// account is the form of bank accounts of a country after its two letters and the
// two digits that check it (ISO 13616): n digits, a letters, c either; "" where we
// know of none.
func account(country string) string {
	switch country {
	case "NL":
		return "4a10n"
	case "AT", "EE", "LT":
		return "16n"
	case "BE":
		return "12n"
	case "BG":
		return "4a6n8c"
	case "CH":
		return "5n12c"
	case "CY":
		return "8n16c"
	case "CZ", "ES", "SE", "SK":
		return "20n"
	case "DE":
		return "18n"
	case "DK", "FI":
		return "14n"
	case "FR":
		return "10n11c2n"
	case "GB", "IE":
		return "4a14n"
	case "GR":
		return "7n16c"
	case "HR":
		return "17n"
	case "HU", "MA", "PL":
		return "24n"
	case "IT":
		return "1a10n12c"
	case "LU":
		return "3n13c"
	case "LV":
		return "4a13c"
	case "MT":
		return "4a5n18c"
	case "NO":
		return "11n"
	case "PT":
		return "21n"
	case "RO":
		return "4a16c"
	case "SI":
		return "15n"
	case "TR":
		return "6n16c"
	}
	return ""
}

// hasIBAN looks at every place where one may begin. Spaces, dots and dashes in it
// do not matter.
func hasIBAN(flat string) bool {
	for line := range strings.SplitSeq(strings.ToUpper(flat), "\n") {
		s := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" .-_/", r) {
				return -1
			}
			return r
		}, line)
		for i := 0; i+4 < len(s); i++ {
			if form := account(s[i : i+2]); form != "" && isDigit(s[i+2]) && isDigit(s[i+3]) {
				if n := fits(s[i+4:], form); n > 0 && mod97(s[i+4:i+4+n]+s[i:i+4]) == 1 {
					return true
				}
			}
		}
	}
	return false
}

// fits is how many bytes of s have a form, 0 when they do not.
func fits(s, form string) int {
	at := 0
	for form != "" {
		end := strings.IndexAny(form, "nac")
		count, err := strconv.Atoi(form[:end])
		if err != nil || len(s) < at+count {
			return 0
		}
		for _, c := range []byte(s[at : at+count]) {
			letter := c >= 'A' && c <= 'Z'
			if !isDigit(c) && !letter || form[end] == 'n' && letter || form[end] == 'a' && !letter {
				return 0
			}
		}
		at, form = at+count, form[end+1:]
	}
	return at
}

// mod97 is the remainder of the number that letters (A is 10) and digits write.
func mod97(s string) int {
	rest := 0
	for _, c := range []byte(s) {
		if isDigit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
