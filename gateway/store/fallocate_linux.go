package store

import (
	"errors"
	"os"
	"syscall"
)

// fallocate has the file system give room for a part of a file, which becomes
// longer by it; errors.ErrUnsupported if it cannot.
func fallocate(file *os.File, from, size int64) error {
	for {
		err := syscall.Fallocate(int(file.Fd()), 0, from, size)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
