package node

import (
	"fmt"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

func megabytes(n int64) string {
	if n >= 1e9 {
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

func day(t time.Time) string { return t.In(gateway.Amsterdam()).Format("2006-01-02") }

func minute(t time.Time) string { return t.In(gateway.Amsterdam()).Format("2006-01-02 15:04") }

// list names the first few.
func list(names []string) string {
	const few = 5
	if len(names) > few {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
	}
	return strings.Join(names, ", ")
}
