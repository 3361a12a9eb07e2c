//go:build !linux

package scenario

import "syscall"

// attributes are none: nodes see Ctrl-C too, and end by it.
func attributes() *syscall.SysProcAttr { return nil }
