package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
)

// TestRolesInDocument compares the table of operations and roles that people
// read with the one that decides.
func TestRolesInDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operators.md"))
	if err != nil {
		t.Fatal(err)
	}
	heads, rows := roleTable(string(text))
	if got, want := len(heads), len(gateway.Roles()); got != want {
		t.Fatalf("got a table with %d roles, want %d", got, want)
	}
	if got, want := len(rows), len(gateway.Operations()); got != want {
		t.Errorf("got a table of %d operations, want %d", got, want)
	}
	for _, op := range gateway.Operations() {
		cells, ok := rows[string(op)]
		if !ok || len(cells) != len(heads) {
			t.Errorf("operation %s: got the cells %q, want one for each role", op, cells)
			continue
		}
		for i, role := range heads {
			may := gateway.Caller{Name: "test", Roles: []gateway.Role{gateway.Role(role)}}.May(op)
			if got := cells[i] == "yes"; got != may || (cells[i] != "yes" && cells[i] != "") {
				t.Errorf("%s by %s: got %q, want it to say %t", op, role, cells[i], may)
			}
		}
	}
}

// roleTable reads the table whose first head is "operation".
func roleTable(text string) (heads []string, rows map[string][]string) {
	rows = map[string][]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		switch {
		case cells[0] == "operation":
			heads = cells[2:]
		case heads != nil && !strings.HasPrefix(strings.TrimSpace(line), "|"):
			return heads, rows
		case heads != nil && !strings.HasPrefix(cells[0], "-"):
			rows[cells[0]] = cells[2:]
		}
	}
	return heads, rows
}
