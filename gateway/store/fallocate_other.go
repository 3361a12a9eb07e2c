//go:build !linux

package store

import (
	"errors"
	"os"
)

func fallocate(*os.File, int64, int64) error { return errors.ErrUnsupported }

func diskFree(string) (int64, bool) { return 0, false }
