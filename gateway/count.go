package gateway

import "fmt"

// Count is "1 party" or "2 parties".
func Count[N int | int64 | uint64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", more)
}
