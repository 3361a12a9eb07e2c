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

// diskFree is what this user may still write; false if that is unknown.
func diskFree(path string) (int64, bool) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(path, &disk); err != nil {
		return 0, false
	}
	return int64(disk.Bavail) * disk.Bsize, true
}
